"""The highest utilization of the last minute."""

from __future__ import annotations

import pytest

from agent.sampling.peak import Peak

PEAK_SECONDS = 60.0


@pytest.mark.parametrize(
    ("added", "peaks"),
    [
        pytest.param([(0, 5)], [5], id="one"),
        pytest.param([(0, None)], [None], id="unknown"),
        pytest.param([(0, 0)], [0], id="0 is a value"),
        pytest.param([(0, 90), (1, 10), (2, 50)], [90, 90, 90], id="the highest stays"),
        pytest.param([(0, 10), (1, 50), (2, 90)], [10, 50, 90], id="a higher one takes over"),
        pytest.param([(0, 90), (60, 10)], [90, 90], id="a minute old still counts"),
        pytest.param([(0, 90), (30, 50), (60.1, 10)], [90, 90, 50], id="then the next highest"),
        pytest.param([(0, 90), (100, None)], [90, None], id="all too old, and now unknown"),
        pytest.param([(0, 90), (1, None), (2, 3)], [90, 90, 90], id="unknown keeps the peak"),
        pytest.param(
            [(0, 40), (30, 40), (80, 0)], [40, 40, 40], id="a repeated value counts from its last time"
        ),
    ],
)
def test_the_peak_is_the_highest_of_the_last_minute(
    added: list[tuple[float, int | None]], peaks: list[int | None]
) -> None:
    peak = Peak()
    found = []
    for at, percent in added:
        peak.add(at, percent)
        found.append(peak.highest(at))
    assert found == peaks


def test_a_sample_that_is_added_again_stays_as_old_as_it_is() -> None:
    peak = Peak()
    for _ in range(2):
        peak.add(10, 90)
    assert (peak.highest(70), peak.highest(70.5)) == (90, None)


def test_the_peak_keeps_few_values_at_any_sampling_rate() -> None:
    peak = Peak()
    for step in range(10_000):
        at = step * PEAK_SECONDS / 10_000
        peak.add(at, 100 - step // 100)
        peak.highest(at)
        assert len(peak) <= 101
