"""Memory in use that no listed process accounts for, and ghost utilization."""

from __future__ import annotations

from typing import Any

import pytest

from agent.derive.unlisted import holds_unlisted_memory, looks_like_ghost, works_unlisted
from agent.readings import GpuProcess, ProcessType
from tests.support.readings import reading

MIB, GIB = 1 << 20, 1 << 30


def listed(*memory: int | None) -> tuple[GpuProcess, ...]:
    return tuple(GpuProcess(pid, ProcessType.COMPUTE, one) for pid, one in enumerate(memory))


@pytest.mark.parametrize(
    ("total", "reserved", "used", "processes", "holds"),
    [
        pytest.param(80 * GIB, 0, GIB, (), True, id="1 GiB"),
        pytest.param(80 * GIB, 0, GIB - 1, (), False, id="a byte less"),
        pytest.param(80 * GIB, GIB, GIB - 1, (), False, id="what the driver reserves is not in use"),
        pytest.param(1000 * MIB, 0, 50 * MIB, (), True, id="5 %"),
        pytest.param(1000 * MIB, 0, 50 * MIB - 1, (), False, id="less than 5 %"),
        pytest.param(80 * GIB, None, 2 * GIB, (), True, id="reserved is not told: 2 GiB"),
        pytest.param(80 * GIB, None, 2 * GIB - 1, (), False, id="reserved is not told: a byte less"),
        pytest.param(1000 * MIB, None, 100 * MIB, (), True, id="reserved is not told: 10 %"),
        pytest.param(1000 * MIB, None, 100 * MIB - 1, (), False, id="reserved is not told: less than 10 %"),
        pytest.param(
            80 * GIB, 0, 40 * GIB, listed(20 * GIB, 19 * GIB), True, id="the rest of what is listed"
        ),
        pytest.param(80 * GIB, 0, 40 * GIB, listed(20 * GIB, 20 * GIB), False, id="all of it is listed"),
        pytest.param(80 * GIB, 0, 4 * GIB, listed(20 * GIB), False, id="more is listed than is in use"),
        pytest.param(80 * GIB, 0, 40 * GIB, listed(20 * GIB, None), False, id="a process does not tell"),
        pytest.param(None, None, None, (), False, id="unified memory"),
    ],
)
def test_memory_that_nothing_listed_holds(
    total: int | None, reserved: int | None, used: int | None, processes: tuple[GpuProcess, ...], holds: bool
) -> None:
    told = reading(
        memory_total_bytes=total, memory_reserved_bytes=reserved, memory_used_bytes=used, processes=processes
    )

    assert holds_unlisted_memory(told) is holds


GHOST = {"utilization_gpu_percent": 90, "memory_used_bytes": 2 * MIB, "processes": ()}


@pytest.mark.parametrize(
    ("changed", "is_ghost"),
    [
        ({}, True),
        ({"utilization_gpu_percent": 89}, False),
        ({"utilization_gpu_percent": None}, False),
        ({"memory_used_bytes": 64 * MIB - 1}, True),
        ({"memory_used_bytes": 64 * MIB}, False),
        ({"memory_used_bytes": None}, False),
        ({"processes": listed(0)}, False),
        ({"processes": None}, False),
        ({"process_list_is_partial": True}, False),
    ],
)
def test_a_ghost_works_with_nothing_at_all(changed: dict[str, Any], is_ghost: bool) -> None:
    assert looks_like_ghost(reading(**GHOST | changed)) is is_ghost


@pytest.mark.parametrize(
    ("changed", "peak", "works"),
    [
        ({}, 11, True),
        ({}, 10, False),
        ({}, None, False),
        ({"processes": listed(0)}, 11, False),
        ({"processes": None}, 11, False),
    ],
)
def test_more_than_a_tenth_of_the_time_without_a_process_is_work(
    changed: dict[str, Any], peak: int | None, works: bool
) -> None:
    assert works_unlisted(reading(**{"processes": ()} | changed), peak) is works
