"""Clocks of tests: one that a test moves, one that is ahead, and one that leaves out stalls."""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectors import SelectorKey

# Seconds by which a wait may be late; a later one shows that the machine stood still.
PAUSE = 0.05


class Clock:
    """Seconds; `now` is moved by the test."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Shifted:
    """The monotonic clock, `shift` seconds ahead."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.shift


class RunningLoop(asyncio.SelectorEventLoop):
    """An event loop whose time leaves out that in which the machine stood still.

    A virtual machine may stand still for seconds. Then each limit has passed before the thread that it
    waits for could run. The wait in which it happened counts half, so that the thread can still be in time.
    """

    def __init__(self) -> None:
        self._waits = _Waits()
        super().__init__(self._waits)

    def time(self) -> float:
        """Seconds of the monotonic clock, without those."""
        return super().time() - self._waits.lost


class _Waits(selectors.DefaultSelector):
    lost = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        began = time.monotonic()
        ready = super().select(timeout)
        if timeout is not None:
            late = time.monotonic() - began - timeout
            self.lost += late + timeout / 2 if late > PAUSE else 0.0
        return ready
