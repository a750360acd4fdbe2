"""The time of day of a moment moves when the wall clock is set, and not by the time between two clocks."""

from __future__ import annotations

import pytest

from agent.sampling.wall_clock import WallClock


@pytest.mark.parametrize(("step", "moves"), [(0.0078125, False), (0.01171875, True), (-3600.0, True)])
def test_a_moment_moves_with_a_clock_that_is_set(step: float, moves: bool) -> None:
    now = 5000.0
    clock = WallClock(lambda: now)
    clock.follow(1000.0)
    assert clock.booted_at == 4000.0
    now += 60 + step

    clock.follow(1060.0)

    assert clock.booted_at == (4000.0 + step if moves else 4000.0)
