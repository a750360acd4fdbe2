"""For how long a condition has held: pauses, unknown values, and what an earlier observer found."""

from __future__ import annotations

import pytest

from agent.sampling.condition import ConditionTimer


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ([(0, True)], 0),
        ([(0, True), (60, True)], 60),
        ([(0, True), (30, False), (60, True)], 0),
        ([(0, True), (30, None), (60, True)], 60),
        ([(0, None), (30, True), (60, True)], 30),
        ([(0, True), (61, True)], 0),
        ([(0, True), (40, None), (61, True)], 0),
        ([(0, True), (40, True), (100, True)], 100),
        ([(0, True), (0, True)], 0),
    ],
)
def test_a_condition_lasts_until_it_ends_or_a_pause_is_too_long(
    steps: list[tuple[float, bool | None]], seconds: float
) -> None:
    lasting = ConditionTimer(60)

    assert [lasting.add(is_so, at) for at, is_so in steps][-1] == seconds


def test_a_condition_is_known_since_the_first_of_its_observations() -> None:
    lasting = ConditionTimer(60)
    lasting.add(True, 100.0)
    lasting.add(True, 150.0)
    assert lasting.since == 100.0
    lasting.add(False, 160.0)
    assert lasting.since is None


@pytest.mark.parametrize(
    ("at", "since"),
    [
        pytest.param(120.0, 40.0, id="soon"),
        pytest.param(160.0, 40.0, id="just in time"),
        pytest.param(160.1, 160.1, id="too late"),
    ],
)
def test_a_condition_continues_if_an_earlier_observer_saw_it_last_not_too_long_ago(
    at: float, since: float
) -> None:
    lasting = ConditionTimer(60, since=40.0, until=100.0)
    lasting.add(True, at)
    assert lasting.since == since
