"""Processes that the driver does not report stay unknown in every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import NvmlReturn, SimulatedProcess, Simulation
from tests.support.agents import agent_client

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.anyio

GIB = 2**30
BEYOND_ANY_PID = 2**22 + 1
OLDER, NEWER = "nvmlDeviceGetProcessUtilization", "nvmlDeviceGetProcessesUtilizationInfo"


async def data(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_a_process_without_reported_utilization_on_a_busy_gpu_is_not_idle() -> None:
    with Simulation(1) as simulation:
        gpu = simulation.gpus[0]
        gpu.fix(gpu_utilization=90)
        gpu.processes = [SimulatedProcess(BEYOND_ANY_PID, "C", GIB, sm_utilization=90)]
        gpu.fail(OLDER, NvmlReturn.NOT_FOUND)
        gpu.fail(NEWER, NvmlReturn.NOT_FOUND)
        async with agent_client(HISTORY_INTERVAL="10", METRICS_PROCESSES="1") as client:
            (row,) = (await data(client, "/processes"))["processes"]
            assert (await data(client, "/processes?idle=1"))["processes"] == []
            (user,) = (await data(client, "/users"))["users"]
            (process,) = (await data(client, "/status"))["processes"]
            metrics = (await client.get("/metrics")).text
    told = ("sm_utilization_percent", "gpu_seconds_used", "idle_seconds", "idle_holder")
    assert [row[name] for name in told] == [None] * 4
    assert (user["sm_utilization_percent"], user["idle_holdings"]) == (None, None)
    assert process["gpu_sm_utilization"] == "N/A"
    assert "\nnvidia_gpu_process_memory_used_bytes{" in metrics
    for family in ("process_sm_utilization_ratio", "process_idle_seconds", "user_idle_processes"):
        assert f"\nnvidia_gpu_{family}{{" not in metrics


async def test_a_mig_instance_whose_list_is_forbidden_has_unknown_processes() -> None:
    with Simulation(2, models=["a100"]) as simulation:
        gpu = simulation.gpus[0]
        gpu.enable_mig("3g.40gb", "1g.10gb")
        gpu.forbidden_instances = {0}
        gpu.processes = [SimulatedProcess(BEYOND_ANY_PID + n, "C", GIB, mig_index=n) for n in range(2)]
        simulation.gpus[1].processes = []
        simulation.gpus[1].fix(memory_used=0, gpu_utilization=0)
        async with agent_client(HISTORY_INTERVAL="10") as client:
            whole = (await client.get("/gpu?detail=1")).json()["gpus"]
            answers = [await data(client, path) for path in ("/processes", "/users")]
            metrics = (await client.get("/metrics")).text
    instances = whole[0]["detail"]["mig_instances"]
    assert instances[0]["processes"] is None
    assert [process["pid"] for process in instances[1]["processes"]] == [BEYOND_ANY_PID + 1]
    assert [row["mig_index"] for row in answers[0]["processes"]] == [1]
    assert [answer["unknown_idx"] for answer in answers] == [[0], [0]]
    assert 'nvidia_gpu_processes{gpu="0"' not in metrics
    assert 'nvidia_gpu_processes{gpu="1"' in metrics


@pytest.mark.parametrize(
    ("model", "enabled"), [("h100", False), ("rtx4090", None), ("k80", None)], ids=["has MIG", "none", "old"]
)
async def test_mig_enabled_is_null_if_the_gpu_has_no_mig(model: str, enabled: bool | None) -> None:
    with Simulation(1, models=[model]):
        async with agent_client() as client:
            (gpu,) = (await client.get("/gpu?detail=1")).json()["gpus"]
            metrics = (await client.get("/metrics")).text
    assert gpu["detail"]["modes"]["mig_enabled"] is enabled
    assert ("\nnvidia_gpu_mig_enabled{" in metrics) is (enabled is not None)


@pytest.mark.parametrize("remembers", ["0", "10"], ids=["only the present", "a minute"])
async def test_a_gpu_in_use_by_a_process_that_is_not_listed_is_not_free(remembers: str) -> None:
    with Simulation(4) as simulation:
        for gpu, used, percent in zip(
            simulation.gpus, (0, 0, 40 * GIB, 40 * GIB), (0, 44, 0, 44), strict=True
        ):
            gpu.processes = []
            gpu.fix(memory_used=used, gpu_utilization=percent, temperature=30)
        async with agent_client(HISTORY_INTERVAL=remembers) as client:
            free = await data(client, "/free?count=4")
            with_limit = await data(client, "/free?count=4&max_utilization=50")
            summary = await data(client, "/summary")
            lists = [await data(client, path) for path in ("/processes", "/users")]
            metrics = (await client.get("/metrics")).text
    reason = "in use by a process that is not listed"
    assert [gpu["idx"] for gpu in free["gpus"]] == [0]
    assert free["passed_over"] == [{"idx": index, "reason": reason} for index in (1, 2, 3)]
    assert [gpu["idx"] for gpu in with_limit["gpus"]] == [0, 1]
    assert [gpu["users"] for gpu in summary["gpus"]] == [[], None, None, None], "it is not known to be nobody"
    assert [found["unknown_idx"] for found in lists] == [[1, 2, 3]] * 2
    assert [f'nvidia_gpu_processes{{gpu="{index}"' in metrics for index in range(4)] == [True] + [False] * 3


async def test_a_gpu_without_its_compute_list_is_not_free() -> None:
    """Only its graphics processes are known."""
    with Simulation(1) as simulation:
        gpu = simulation.gpus[0]
        gpu.fix(memory_used=0, gpu_utilization=0)
        gpu.processes = [SimulatedProcess(BEYOND_ANY_PID, "G", 2**20)]
        gpu.fail("nvmlDeviceGetComputeRunningProcesses_v3", NvmlReturn.NO_PERMISSION)
        async with agent_client() as client:
            free = await data(client, "/free?max_utilization=100")
    assert (free["gpus"], free["passed_over"]) == ([], [{"idx": 0, "reason": "its processes are unknown"}])
