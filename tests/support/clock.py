"""Clocks of tests: one that stands still until a test moves it, and one that is ahead."""

from __future__ import annotations

import time


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
