"""Conditions over time: thresholds, pauses, counters that restart, unknown values."""

from __future__ import annotations

from typing import Any

import pytest

from agent.readings import NvLink, Throttling
from agent.sampling.lately import Increase, LatelyWatch
from tests.support.readings import reading


@pytest.mark.parametrize(
    ("steps", "increase"),
    [
        ([(0, 7)], 0),  # earlier growth is unknown
        ([(0, 7), (5, 9)], 2),
        ([(0, 7), (300, 9)], 2),
        ([(0, 7), (301, 9)], 0),  # it may have grown more than five minutes ago
        ([(0, 7), (100, 8), (200, 9), (301, 9)], 1),
        ([(0, 7), (5, None)], 0),
        ([(0, 7), (5, None), (10, 9)], 2),
        ([(0, 7), (5, 2), (10, 3)], 1),  # the driver was loaded again
        ([(0, 7), (1, 8), (2, 9), (3, 9)], 2),
        ([(0, 7), (5, 9), (1000, None), (1001, 9)], 0),
    ],
)
def test_the_increase_of_a_counter_is_that_of_the_last_five_minutes(
    steps: list[tuple[float, float | None]], increase: float
) -> None:
    counter = Increase(300)

    assert [counter.add(value, at) for at, value in steps][-1] == increase


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ([(0, 0), (600, 600), (1200, 1200)], 300),  # all the time
        ([(0, 0), (600, 350)], 50),  # at least this much of it is in the last five minutes
        ([(0, 0), (600, 300)], 0),
        ([(0, 0), (600, 600), (1200, 600)], 0),
        ([(0, 0), (600, 600), (1000, None), (1200, 1100)], 200),
        ([(0, 0), (290, 10), (310, 30)], 20),
        ([(0, 0), (600, 20), (601, 3)], 0),  # the driver was loaded again
    ],
)
def test_counted_seconds_are_known_over_longer_pauses(
    steps: list[tuple[float, float | None]], seconds: float
) -> None:
    """HISTORY_INTERVAL may be longer than the window."""
    counter = Increase(300, of_seconds=True)

    assert [counter.add(value, at) for at, value in steps][-1] == seconds
    assert len(counter) <= 62


def test_a_counter_that_always_grows_keeps_few_values() -> None:
    counter = Increase(300)
    grown = [counter.add(at / 2, at) for at in range(10_000)]

    assert len(counter) <= 61
    assert grown[-1] == pytest.approx(150, abs=5)


@pytest.mark.parametrize(("pause", "kept"), [(4.99, 1), (5.0, 2)])
def test_a_counter_keeps_a_value_every_five_seconds(pause: float, kept: int) -> None:
    counter = Increase(300)
    for at in (0.0, pause):
        counter.add(at, at)

    assert len(counter) == kept


def watched(*steps: tuple[float, dict[str, Any]]) -> Any:
    watch = LatelyWatch(max_gap=3)
    return [watch.add(reading(sampled_since_boot=at, **values)) for at, values in steps][-1]


def links(*recoveries: int | None) -> dict[str, Any]:
    return {
        "nvlink_links": tuple(
            NvLink(link, is_active=True, recovery_errors=errors) for link, errors in enumerate(recoveries)
        )
    }


def test_nvlink_recoveries_of_all_links_are_counted_for_an_hour() -> None:
    assert watched((0, links(4, 0)), (60, links(5, 2))).nvlink_recoveries == 3
    assert watched((0, links(4, 0)), (60, links(5, 2)), (3600, links(5, 2))).nvlink_recoveries == 3
    assert watched((0, links(4, 0)), (60, links(5, 2)), (3601, links(5, 2))).nvlink_recoveries == 0
    assert watched(*((at, links(4 if at < 60 else 5)) for at in range(0, 3722, 60))).nvlink_recoveries == 0


def test_a_link_that_is_unknown_for_a_while_has_not_recovered() -> None:
    assert watched((0, links(4, 9)), (60, links(4, None)), (120, links(4, 9))).nvlink_recoveries == 0
    assert watched((0, links(4, 9)), (60, {}), (120, links(4, 9))).nvlink_recoveries == 0


def test_two_kinds_of_heat_at_the_same_time_count_once() -> None:
    hot = {"throttling_software_thermal_seconds": 20.0, "throttling_hardware_thermal_seconds": 15.0}
    cool = dict.fromkeys(hot, 0.0)

    assert watched((0, cool), (60, hot)).slowed_by_heat_seconds == 20


def test_heat_and_power_brake_have_their_own_counters() -> None:
    before = {"throttling_thermal_seconds": 5.0, "throttling_power_brake_seconds": 1.0}
    after = {"throttling_thermal_seconds": 9.0, "throttling_power_brake_seconds": 36.0}
    seen = watched((0, before), (60, after))

    assert (seen.slowed_by_heat_seconds, seen.slowed_by_brake_seconds) == (4, 35)


def test_heat_and_power_brake_are_counted_for_five_minutes() -> None:
    steps = (
        (at, {f"throttling_{name}_seconds": at for name in ("thermal", "power_brake")}) for at in (0.0, 600.0)
    )
    seen = watched(*steps)

    assert (seen.slowed_by_heat_seconds, seen.slowed_by_brake_seconds) == (300, 300)


def test_seconds_of_slowdown_are_never_more_than_those_of_the_last_five_minutes() -> None:
    """Without demand the counters are read once a minute, and the readings between have the same values."""
    hot_until = 55

    def truth(at: int) -> int:
        return min(at, hot_until) - min(max(at - 300, 0), hot_until)

    watch = LatelyWatch(max_gap=30)
    shown, throttling = {}, Throttling()
    for at in range(0, 430, 10):
        if at % 60 == 0:
            seconds = float(min(at, hot_until))
            throttling = Throttling(hardware_thermal_seconds=seconds, power_brake_seconds=seconds)
        seen = watch.add(reading(sampled_since_boot=float(at), throttling=throttling))
        shown[at] = (seen.slowed_by_heat_seconds, seen.slowed_by_brake_seconds)

    assert {at: seconds for at, seconds in shown.items() if max(seconds) > truth(at)} == {}
    assert shown[60] == (55, 55)
    assert shown[300] == (55, 55)


@pytest.mark.parametrize(("pause", "seconds"), [(60, 60), (61, 0)])
def test_a_condition_lasts_over_pauses_of_up_to_a_minute(pause: float, seconds: float) -> None:
    pending = {"fabric_state": 1}

    assert watched((0, pending), (pause, pending)).fabric_pending_seconds == seconds


def test_the_power_cap_is_neither_heat_nor_power_brake() -> None:
    seen = watched((0, {"throttling_power_cap_seconds": 0.0}), (60, {"throttling_power_cap_seconds": 60.0}))

    assert (seen.slowed_by_heat_seconds, seen.slowed_by_brake_seconds) == (0, 0)


@pytest.mark.parametrize(
    ("margin", "limit", "seconds"), [(-2, -2, 30), (-3, -2, 30), (-1, -2, 0), (None, -2, 0), (-3, None, 0)]
)
def test_the_margin_is_low_from_the_slowdown_margin_on(
    margin: int | None, limit: int | None, seconds: float
) -> None:
    values = {"thermal_margin_celsius": margin, "thermal_slowdown_margin_celsius": limit}

    assert watched((0, values), (30, values)).low_margin_seconds == seconds


@pytest.mark.parametrize(("state", "seconds"), [(1, 30), (2, 30), (3, 0), (None, 0), (9, 0)])
def test_a_fabric_registration_is_pending_until_it_has_ended(state: int | None, seconds: float) -> None:
    assert (
        watched((0, {"fabric_state": state}), (30, {"fabric_state": state})).fabric_pending_seconds == seconds
    )
