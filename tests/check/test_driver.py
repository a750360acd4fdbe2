"""The check of driver and GPUs gives the agent's own results, and reports what does not answer in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.check.driver import (
    SECOND_SAMPLE,
    DriverState,
    driver_problems,
    driver_view,
    host_view,
    query_driver,
)
from agent.check.rights import nvml_rights
from tests.support.agents import agent_client, settings

if TYPE_CHECKING:
    from agent.simulation import Simulation

pytestmark = pytest.mark.anyio
PATIENCE = 30.0  # seconds; a test ends earlier when the answer arrives


async def check_driver(seconds: float = PATIENCE, second_sample: float = 0, **environ: str) -> DriverState:
    deadline = time.monotonic() + seconds
    return await query_driver(settings(**environ), deadline, in_container=False, second_sample=second_sample)


def problems(told: DriverState) -> list[str]:
    return [problem.name for problem in (*driver_problems(told.snapshot), *nvml_rights(told.snapshot))]


async def test_each_gpu_has_the_values_that_the_answer_of_the_agent_has(simulation: Simulation) -> None:
    simulation.gpus[2].lose()
    told = await check_driver(second_sample=SECOND_SAMPLE)
    async with agent_client() as client:
        answer = (await client.get("/gpu?detail=1")).json()
    assert [(gpu.idx, gpu.uuid, gpu.state, gpu.error) for gpu in told.gpus] == [
        (gpu["id"], gpu["uuid"], gpu["state"], gpu["error"]) for gpu in answer["gpus"]
    ]
    assert [[finding.name for finding in gpu.findings] for gpu in told.gpus] == [
        [finding["name"] for finding in gpu["detail"]["findings"]] for gpu in answer["gpus"]
    ]
    assert told.gpus[0].unknown["not_supported"] == answer["gpus"][0]["detail"]["unknown"]["not_supported"]
    needs_two = told.gpus[0].unknown.get("needs_two_samples", [])
    assert "pcie.tx_throughput_mbps" not in needs_two, "two samples were taken"
    assert driver_view(told.snapshot).gpu_count == 8
    assert problems(told) == []


async def test_a_permission_that_the_driver_refuses_is_reported_with_its_nvml_function(
    simulation: Simulation,
) -> None:
    for gpu in simulation.gpus[:2]:
        gpu.fail("nvmlDeviceGetPowerUsage", pynvml.NVML_ERROR_NO_PERMISSION)
    told = await check_driver()
    (note,) = nvml_rights(told.snapshot)
    assert (note.name, note.level) == ("no_permission", "note")
    assert note.what == "The driver refuses this user some values: nvmlDeviceGetPowerUsage"
    assert "power.usage_watts" in told.gpus[0].unknown["no_permission"]
    assert all(gpu.verdict == "healthy" for gpu in told.gpus), "a missing right is no fault of the GPU"


async def test_a_driver_that_hangs_from_the_start_is_reported_at_the_deadline(
    simulation: Simulation,
) -> None:
    simulation.hang()
    told = await check_driver(seconds=0.1)
    simulation.release()
    driver = driver_view(told.snapshot)
    assert (told.gpus, driver.gpu_count) == ([], None)
    assert driver.error is not None
    assert driver.error.startswith(
        "The driver has not answered within the time of this check: nvmlInit hangs"
    )


async def test_a_gpu_that_has_not_answered_by_the_deadline_is_reported(simulation: Simulation) -> None:
    simulation.gpus[1].hang("nvmlDeviceGetUtilizationRates")
    told = await check_driver(seconds=0.1, SAMPLE_TIMEOUT="60")
    while driver_view(told.snapshot).gpu_count is None:  # a busy machine
        told = await check_driver(seconds=1.0, SAMPLE_TIMEOUT="60")
    simulation.gpus[1].release()
    assert told.gpus[1].state in {"starting", "stuck"}
    assert "gpu_silent" in problems(told) or told.gpus[1].findings


async def test_a_host_without_a_gpu_is_reported(simulation: Simulation) -> None:
    del simulation.gpus[:]
    assert problems(await check_driver()) == ["no_gpus"]


async def test_missing_gpus_are_reported_after_they_have_been_counted_again(
    simulation: Simulation,
) -> None:
    del simulation.gpus[6:]
    told = await check_driver(EXPECTED_GPUS="8")
    host = host_view(told.snapshot, in_container=True)
    assert [finding.name for finding in host.findings] == ["gpus_missing"]
    assert (host.in_container, problems(told)) == (True, [])
