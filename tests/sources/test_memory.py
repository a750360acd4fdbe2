"""Memory of the host."""

from __future__ import annotations

import psutil
import pytest

from agent.sources.memory import HostMemory, percent_of, read_memory


def test_the_memory_is_that_of_the_whole_host() -> None:
    memory = read_memory()

    assert memory.total == psutil.virtual_memory().total
    assert None not in memory


@pytest.mark.parametrize(
    ("memory", "used"),
    [
        (HostMemory(total=10, available=7), 3),
        (HostMemory(total=10), None),
        (HostMemory(available=7), None),
    ],
)
def test_used_memory_is_all_that_is_not_available(memory: HostMemory, used: int | None) -> None:
    assert memory.used == used


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        pytest.param(1, 4, 25.0, id="known"),
        pytest.param(0, 4, 0.0, id="zero part"),
        pytest.param(None, 4, None, id="unknown part"),
        pytest.param(1, None, None, id="unknown whole"),
        pytest.param(1, 0, None, id="empty whole"),
    ],
)
def test_a_percentage_with_an_unknown_part_is_unknown(
    part: int | None, whole: int | None, expected: float | None
) -> None:
    assert percent_of(part, whole) == expected
