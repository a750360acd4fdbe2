"""Converts times since boot to times of day, by the present wall clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds by which the wall clock was set: a smaller difference comes from reading the two clocks one after
# the other.
WALL_CLOCK_STEP = 0.01


class WallClock:
    """`now`: seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.booted_at = float("-inf")  # seconds since the epoch

    def follow(self, since_boot: float) -> None:
        """Update the offset only if the clock was set, because the two clocks are not read at once."""
        booted_at = self._now() - since_boot
        if abs(booted_at - self.booted_at) > WALL_CLOCK_STEP:
            self.booted_at = booted_at
