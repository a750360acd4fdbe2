from __future__ import annotations

import pytest

from agent.sources.rates import gap, rate

MAX_GAP_SECONDS = 300.0


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [
        pytest.param(None, 100.0, None, id="first reading"),
        pytest.param(100.0, 101.5, 1.5, id="a second and a half later"),
        pytest.param(100.0, 100.5, 0.5, id="half a second later"),
        pytest.param(100.0, 100.0, None, id="no time passed"),
        pytest.param(100.0, 99.0, None, id="clock went back"),
        pytest.param(100.0, 100.0 + MAX_GAP_SECONDS, MAX_GAP_SECONDS, id="the longest accepted pause"),
        pytest.param(100.0, 100.1 + MAX_GAP_SECONDS, None, id="a longer pause"),
    ],
)
def test_two_readings_make_a_rate_only_when_close_together(
    before: float | None, after: float, seconds: float | None
) -> None:
    assert gap(before, after) == seconds


@pytest.mark.parametrize(
    ("before", "after", "seconds", "expected"),
    [
        pytest.param(100, 300, 2.0, 100.0, id="growth over time"),
        pytest.param(100, 100, 2.0, 0.0, id="no growth"),
        pytest.param(300, 100, 2.0, None, id="counter went backwards"),
        pytest.param(None, 100, 2.0, None, id="unknown before"),
        pytest.param(100, None, 2.0, None, id="unknown after"),
        pytest.param(100, 300, None, None, id="no usable gap"),
    ],
)
def test_a_rate_is_growth_per_second_or_unknown(
    before: float | None, after: float | None, seconds: float | None, expected: float | None
) -> None:
    assert rate(before, after, seconds) == expected
