"""An expensive value, read less often than the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.sources.paced_value import Paced, paced_slowly

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("at", "expected_values"),
    [
        pytest.param([0, 1, 1.89], [1, 1, 1], id="not before its pace"),
        pytest.param([0, 1.9], [1, 2], id="a tenth of a second early"),
        pytest.param([0, 1.91, 3.82], [1, 2, 3], id="a little early"),
        pytest.param([0, 2, 4, 6], [1, 2, 3, 4], id="on the grid"),
        pytest.param([0, 100, 101], [1, 2, 2], id="after a long pause"),
    ],
)
def test_a_paced_value_is_read_again_once_it_is_two_seconds_old(
    at: list[float], expected_values: list[int]
) -> None:
    counter = iter(range(1, 10))
    paced = Paced(2.0, lambda: next(counter))

    assert [paced.get(now) for now in at] == expected_values


def test_a_paced_value_that_failed_is_read_again_at_once() -> None:
    answers: list[Callable[[], int]] = [lambda: 1 // 0, lambda: 7]
    paced = Paced(2.0, lambda: answers.pop(0)())
    with pytest.raises(ZeroDivisionError):
        paced.get(0.0)

    assert paced.get(0.0) == 7


def test_slow_values_of_the_host_are_read_every_ten_seconds() -> None:
    counter = iter(range(1, 10))
    paced = paced_slowly(lambda: next(counter), 0)

    assert [paced.get(now) for now in (0, 9.89, 9.91)] == [1, 1, 2]
