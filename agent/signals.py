"""Which signals end the agent, and how a handler is put in their way."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handled_signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Calls `handler` on each of STOP_SIGNALS; a SIGHUP that nohup has switched off stays off."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    handled = [sig for sig in STOP_SIGNALS if not (ignored and sig is signal.SIGHUP)]
    previous = {sig: signal.signal(sig, handler) for sig in handled}
    try:
        yield
    finally:
        for sig, old in previous.items():
            signal.signal(sig, old)
