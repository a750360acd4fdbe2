"""Halves are rounded up; unknown stays unknown."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest

from agent.derive.rounding import percent, sum_if_all_known, tenths, thousandths, whole


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2048.5, 2049),
        (2047.5, 2048),
        (2048.499999, 2048),
        (0.5, 1),
        (1.5, 2),
        (2.5, 3),
        (0.49, 0),
        (0.0, 0),
        (-0.5, 0),
        (41, 41),
        (None, None),
    ],
)
def test_halves_are_rounded_up_to_whole_numbers(value: float | None, expected: int | None) -> None:
    assert whole(value) == expected
    assert value is None or type(whole(value)) is int


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.05, 0.1),
        (0.049999, 0.0),
        (0.15, 0.2),
        (0.25, 0.3),
        (0.35, 0.4),
        (8.25, 8.3),
        (8.339439, 8.3),
        (99.95, 100.0),
        (99.949, 99.9),
        (2048.5, 2048.5),
        (45, 45.0),
        (None, None),
    ],
)
def test_halves_are_rounded_up_to_tenths(value: float | None, expected: float | None) -> None:
    assert tenths(value) == expected
    assert value is None or type(tenths(value)) is float


def test_tenths_agree_with_decimal_arithmetic() -> None:
    for number in range(100_000):
        decimal = Decimal(number) / 20
        assert tenths(number / 20) == float(decimal.quantize(Decimal("0.1"), ROUND_HALF_UP)), decimal


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0625, 0.063), (0.06249, 0.062), (0.0005, 0.001), (0.00049, 0.0), (2.0, 2.0), (None, None)],
)
def test_halves_are_rounded_up_to_thousandths(value: float | None, expected: float | None) -> None:
    assert thousandths(value) == expected


@pytest.mark.parametrize(
    ("part", "total", "expected"),
    [
        pytest.param(1, 4, 25.0, id="a quarter"),
        pytest.param(0, 4, 0.0, id="zero"),
        pytest.param(4, 4, 100.0, id="all"),
        pytest.param(5, 4, 125.0, id="above 100 is not cut"),
        pytest.param(29, 100, 29.0, id="exact where floating point could err: 29"),
        pytest.param(57, 100, 57.0, id="exact where floating point could err: 57"),
        pytest.param(332.5, 350, 95.0, id="exact at the power threshold"),
        pytest.param(None, 4, None, id="part unknown"),
        pytest.param(1, None, None, id="total unknown"),
        pytest.param(1, 0, None, id="no total"),
        pytest.param(0, 0, None, id="zero of zero"),
    ],
)
def test_a_percentage_is_exact_or_unknown(
    part: float | None, total: float | None, expected: float | None
) -> None:
    assert percent(part, total) == expected


def test_every_whole_percentage_of_every_total_is_exact() -> None:
    for total in (80 * 2**30, 24_564 * 2**20, 100, 700, 1980):
        for wanted in range(101):
            part, rest = divmod(total * wanted, 100)
            if not rest:
                assert percent(part, total) == wanted


@pytest.mark.parametrize(
    ("values", "expected"),
    [((1.5, 2), 3.5), ((0, 0), 0), ((None, 2), None), ((1, None), None), ((None, None), None)],
)
def test_a_sum_is_unknown_if_one_value_is(values: tuple[float | None, ...], expected: float | None) -> None:
    assert sum_if_all_known(*values) == expected
