"""Times move when the wall clock is set, but not by the short time between reading two clocks."""

from __future__ import annotations

import pytest

from agent.sampling.wall_clock import WallClock


@pytest.mark.parametrize(("step", "moves"), [(0.0078125, False), (0.01171875, True), (-3600.0, True)])
def test_times_move_when_the_wall_clock_is_set_but_not_for_milliseconds(step: float, moves: bool) -> None:
    now = 5000.0
    clock = WallClock(lambda: now)
    clock.follow(1000.0)
    assert clock.booted_at == 4000.0
    now += 60 + step

    clock.follow(1060.0)

    assert clock.booted_at == (4000.0 + step if moves else 4000.0)
