"""The processes on a GPU in `/gpu`: the five largest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.readings import GpuProcess, ProcessType
from tests.support.readings import with_values
from tests.views.gpu.test_gpu import shown
from tests.views.samples import HEALTHY, MIB, READING


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        pytest.param(None, None, id="not reported"),
        pytest.param((), [], id="none"),
        pytest.param(
            tuple(GpuProcess(pid, ProcessType.COMPUTE, pid * MIB) for pid in (1, 7, 3, 6, 2, 5, 4)),
            [7, 6, 5, 4, 3],
            id="the five largest",
        ),
        pytest.param(
            (GpuProcess(1, ProcessType.COMPUTE, None), GpuProcess(2, ProcessType.COMPUTE, MIB)),
            [2, 1],
            id="unknown memory last",
        ),
    ],
)
def test_top_processes_are_the_five_with_most_memory(
    processes: tuple[GpuProcess, ...] | None, expected: list[int] | None
) -> None:
    top = shown(replace(HEALTHY, reading=with_values(READING, processes=processes)))["top_processes"]

    assert (None if top is None else [process["pid"] for process in top]) == expected
