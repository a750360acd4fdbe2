"""Which signals end the agent, and how a handler is put in their way."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handled_signals(handler: Handler) -> Iterator[None]:
    """Calls `handler` on each of STOP_SIGNALS; a SIGHUP that nohup has switched off stays off."""
    previous = {sig: signal.signal(sig, handler) for sig in _not_switched_off()}
    try:
        yield
    finally:
        for sig, old in previous.items():
            signal.signal(sig, old)


def exit_on_signals() -> None:
    """From now on a signal ends the process with status 0, at once: nothing has begun that needs an end."""
    for sig in _not_switched_off():
        signal.signal(sig, exit_at_once)


def exit_at_once(_sig: int, _frame: FrameType | None) -> None:
    """The handler for as long as nothing has begun that needs an end."""
    os._exit(0)


def _not_switched_off() -> list[signal.Signals]:
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [sig for sig in STOP_SIGNALS if not (ignored and sig is signal.SIGHUP)]
