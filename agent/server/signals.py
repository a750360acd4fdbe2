"""Which signals end the agent, and how a handler is put in their way."""

from __future__ import annotations

import signal
from contextlib import contextmanager

TYPE_CHECKING = False  # see main.py, which loads this first of all
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handle_stop_signals(handler: Handler) -> Mapping[signal.Signals, object]:
    """Calls `handler` on each of STOP_SIGNALS; a SIGHUP that nohup has switched off stays off.

    Returns the handlers so far.
    """
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return {
        sig: signal.signal(sig, handler) for sig in STOP_SIGNALS if not (ignored and sig is signal.SIGHUP)
    }


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
