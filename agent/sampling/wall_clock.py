"""What time of day a moment since boot was, by the wall clock as it is set now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds by which the wall clock has been set: less is the time between reading one clock and the other.
WALL_CLOCK_STEP = 0.01


class WallClock:
    """`now`: seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.booted_at = float("-inf")  # seconds since the epoch

    def follow(self, since_boot: float) -> None:
        """It is read in another instant than the other clock, so a moment moves only when it has been set."""
        booted_at = self._now() - since_boot
        if abs(booted_at - self.booted_at) > WALL_CLOCK_STEP:
            self.booted_at = booted_at
