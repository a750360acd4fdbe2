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
        pytest.param(80 * GIB, GIB, GIB - 1, (), False, id="reserved memory is not in use"),
        pytest.param(1000 * MIB, 0, 50 * MIB, (), True, id="5 %"),
        pytest.param(1000 * MIB, 0, 50 * MIB - 1, (), False, id="less than 5 %"),
        pytest.param(80 * GIB, None, 2 * GIB, (), True, id="reserved unknown: 2 GiB"),
        pytest.param(80 * GIB, None, 2 * GIB - 1, (), False, id="reserved unknown: a byte less"),
        pytest.param(1000 * MIB, None, 100 * MIB, (), True, id="reserved unknown: 10 %"),
        pytest.param(1000 * MIB, None, 100 * MIB - 1, (), False, id="reserved unknown: less than 10 %"),
        pytest.param(
            80 * GIB, 0, 40 * GIB, listed(20 * GIB, 19 * GIB), True, id="more is in use than is listed"
        ),
        pytest.param(80 * GIB, 0, 40 * GIB, listed(20 * GIB, 20 * GIB), False, id="all of it is listed"),
        pytest.param(80 * GIB, 0, 4 * GIB, listed(20 * GIB), False, id="more is listed than is in use"),
        pytest.param(
            80 * GIB, 0, 40 * GIB, listed(20 * GIB, None), False, id="the memory of a process is unknown"
        ),
        pytest.param(None, None, None, (), False, id="unified memory"),
    ],
)
def test_memory_beyond_that_of_listed_processes_is_unlisted(
    total: int | None, reserved: int | None, used: int | None, processes: tuple[GpuProcess, ...], holds: bool
) -> None:
    known = reading(
        memory_total_bytes=total, memory_reserved_bytes=reserved, memory_used_bytes=used, processes=processes
    )

    assert holds_unlisted_memory(known) is holds


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
def test_ghost_utilization_is_work_without_memory_and_processes(
    changed: dict[str, Any], is_ghost: bool
) -> None:
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
def test_a_peak_above_10_percent_without_a_process_is_work(
    changed: dict[str, Any], peak: int | None, works: bool
) -> None:
    assert works_unlisted(reading(**{"processes": ()} | changed), peak) is works
