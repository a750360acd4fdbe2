"""Clients of MPS are asked for with each list of processes, but seldom where the driver has no such list."""

from __future__ import annotations

import pytest

from agent.simulation import NvmlReturn
from agent.sources.gpu.paces import PROCESS_PACE
from tests.sources.one_gpu import one_gpu

CLIENTS = "nvmlDeviceGetMPSComputeRunningProcesses_v3"


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        pytest.param(NvmlReturn.NOT_SUPPORTED, [1, 1, 1, 2], id="a GPU without"),
        pytest.param(NvmlReturn.FUNCTION_NOT_FOUND, [1, 1, 1, 2], id="a driver without"),
        pytest.param(NvmlReturn.UNKNOWN, [1, 2, 3, 4], id="a failure"),
        pytest.param(NvmlReturn.NO_PERMISSION, [1, 2, 3, 4], id="forbidden"),
    ],
)
def test_a_list_that_there_is_not_is_asked_for_again_after_five_minutes(
    code: NvmlReturn, asked: list[int]
) -> None:
    with one_gpu() as one:
        one.gpu.fail(CLIENTS, code)
        seen = []
        for after in (0, PROCESS_PACE, 300 - 2 * PROCESS_PACE, PROCESS_PACE):
            one.read(after=after)
            seen.append(one.simulation.calls[CLIENTS])

    assert seen == asked
