"""Which signals end the agent or let it read TOKEN_FILE, and how a handler is put in their way."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

TYPE_CHECKING = False  # see main.py, which loads this first of all
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]

# Only a terminal can hang up. Asked once, at the start: later descriptor 0 may be another file.
HANGUP_ENDS = os.isatty(0)
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if HANGUP_ENDS else []))


def handle_stop_signals(handler: Handler) -> Mapping[signal.Signals, object]:
    """Calls `handler` on each of STOP_SIGNALS; a SIGHUP that nohup has switched off stays off.

    Where SIGHUP is none of them, it does nothing from here on, except within `hangup_handled`. Returns the
    handlers so far.
    """
    handlers: dict[signal.Signals, Handler] = dict.fromkeys(STOP_SIGNALS, handler)
    handlers.setdefault(signal.SIGHUP, _do_nothing)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        del handlers[signal.SIGHUP]
    return {sig: signal.signal(sig, handler) for sig, handler in handlers.items()}


@contextmanager
def handled_signals(handler: Handler) -> Iterator[None]:
    """The same for as long as the context lasts."""
    previous = handle_stop_signals(handler)
    try:
        yield
    finally:
        for sig, old in previous.items():
            signal.signal(sig, old)  # type: ignore[arg-type]  # what signal.signal returned


def when_stopped(action: Callable[[], object]) -> None:
    """Calls `action` at each of STOP_SIGNALS that the server handles, before the server does."""
    for sig in STOP_SIGNALS:
        previous = signal.getsignal(sig)
        if not callable(previous):
            continue  # nobody handles it: it is not a graceful exit

        def handle(sig: int, frame: FrameType | None, then: Handler = previous) -> None:
            action()
            then(sig, frame)

        try:
            signal.signal(sig, handle)
        except ValueError:  # not in the main thread, as in tests: there are no signals to follow
            return


@contextmanager
def hangup_handled(action: Callable[[], object]) -> Iterator[None]:
    """Calls `action` at a SIGHUP that does not end the agent, for as long as the context lasts.

    Under another server, which handles none of ours, SIGHUP keeps the meaning that it has there.
    """
    if signal.getsignal(signal.SIGHUP) is not _do_nothing:
        yield
        return
    signal.signal(signal.SIGHUP, lambda *_: action())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, _do_nothing)


def _do_nothing(sig: int, frame: FrameType | None) -> None:
    """SIGHUP before the app runs, which begins with a look at TOKEN_FILE, or after it."""
