"""The signals that end the agent or make it read TOKEN_FILE, and how their handlers are installed."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

TYPE_CHECKING = False  # see main.py, which loads this first of all
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]

# Only a terminal can hang up. Checked once, at the start: later, descriptor 0 may be another file.
HANGUP_ENDS = os.isatty(0)
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if HANGUP_ENDS else []))


def handle_stop_signals(handler: Handler) -> Mapping[signal.Signals, object]:
    """Install `handler` for each of STOP_SIGNALS; a SIGHUP that nohup ignores stays ignored.

    If SIGHUP is not among them, it has no effect from here on, except within `hangup_handled`. Returns the
    previous handlers.
    """
    handlers: dict[signal.Signals, Handler] = dict.fromkeys(STOP_SIGNALS, handler)
    handlers.setdefault(signal.SIGHUP, _do_nothing)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        del handlers[signal.SIGHUP]
    return {sig: signal.signal(sig, handler) for sig, handler in handlers.items()}


@contextmanager
def handled_signals(handler: Handler) -> Iterator[None]:
    """The same, as long as the context lasts."""
    previous = handle_stop_signals(handler)
    try:
        yield
    finally:
        for sig, old in previous.items():
            signal.signal(sig, old)  # type: ignore[arg-type]  # what signal.signal returned


def when_stopped(action: Callable[[], object]) -> None:
    """Call `action` at each of STOP_SIGNALS that the server handles, before its handler."""
    for sig in STOP_SIGNALS:
        previous = signal.getsignal(sig)
        if not callable(previous):
            continue  # without a handler there is no graceful exit

        def handle(sig: int, frame: FrameType | None, then: Handler = previous) -> None:
            action()
            then(sig, frame)

        try:
            signal.signal(sig, handle)
        except ValueError:  # not in the main thread, as in tests: signals cannot be handled here
            return


@contextmanager
def hangup_handled(action: Callable[[], object]) -> Iterator[None]:
    """Call `action` at a SIGHUP that does not end the agent, as long as the context lasts.

    Under another server SIGHUP keeps the meaning that it has there.
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
    """SIGHUP before or after the app runs; the app reads TOKEN_FILE when it starts."""
