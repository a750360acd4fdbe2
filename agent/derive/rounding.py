"""Rounding with halves up. Python's `round` sends 2048.5 to 2048."""

from __future__ import annotations

import math
from typing import overload


@overload
def whole(value: float) -> int: ...
@overload
def whole(value: None) -> None: ...
@overload
def whole(value: float | None) -> int | None: ...
def whole(value: float | None) -> int | None:
    """To a whole number; unknown stays unknown."""
    return None if value is None else math.floor(value + 0.5)


@overload
def tenths(value: float) -> float: ...
@overload
def tenths(value: None) -> None: ...
@overload
def tenths(value: float | None) -> float | None: ...
def tenths(value: float | None) -> float | None:
    """To one decimal; unknown stays unknown."""
    return None if value is None else math.floor(value * 10 + 0.5) / 10


@overload
def thousandths(value: float) -> float: ...
@overload
def thousandths(value: None) -> None: ...
@overload
def thousandths(value: float | None) -> float | None: ...
def thousandths(value: float | None) -> float | None:
    """To three decimals; unknown stays unknown."""
    return None if value is None else math.floor(value * 1000 + 0.5) / 1000


def percent(part: float | None, total: float | None) -> float | None:
    """`part` of `total` in percent; unknown if either is, or if there is no total."""
    # Multiplied first: 29 / 100 * 100 is 28.999999999999996, which is below a threshold of 29.
    return None if part is None or not total else part * 100 / total


def sum_if_all_known(*values: float | None) -> float | None:
    """The sum, unknown if any part is."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
