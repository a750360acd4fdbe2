"""MPS clients are read with each list of processes, but rarely where the driver has no such list."""

from __future__ import annotations

import pytest

from agent.simulation import NvmlReturn
from agent.sources.gpu.paces import PROCESS_PACE
from tests.sources.one_gpu import one_gpu

CLIENTS = "nvmlDeviceGetMPSComputeRunningProcesses_v3"


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        pytest.param(NvmlReturn.NOT_SUPPORTED, [1, 1, 1, 2], id="not supported by the GPU"),
        pytest.param(NvmlReturn.FUNCTION_NOT_FOUND, [1, 1, 1, 2], id="missing in the driver"),
        pytest.param(NvmlReturn.UNKNOWN, [1, 2, 3, 4], id="a failure"),
        pytest.param(NvmlReturn.NO_PERMISSION, [1, 2, 3, 4], id="forbidden"),
    ],
)
def test_only_an_unsupported_list_of_mps_clients_is_read_again_after_five_minutes(
    code: NvmlReturn, calls: list[int]
) -> None:
    with one_gpu() as one:
        one.gpu.fail(CLIENTS, code)
        seen = []
        for after in (0, PROCESS_PACE, 300 - 2 * PROCESS_PACE, PROCESS_PACE):
            one.read(after=after)
            seen.append(one.simulation.calls[CLIENTS])

    assert seen == calls
