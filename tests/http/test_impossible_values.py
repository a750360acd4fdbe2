"""An impossible number is in no answer, no sum and no verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import SimulatedProcess, Simulation
from agent.simulation.error_counters import ErrorCounters
from tests.support.agents import agent_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

pytestmark = pytest.mark.anyio

BEYOND_ANY_PID = 2**22 + 1
UNKNOWN = {
    *("memory.used_mb", "temperature_celsius", "power.usage_watts", "clocks.graphics_mhz"),
    *("fan_speed_percent", "utilization.gpu_percent", "pcie.current_width"),
}
SERIES = ("temperature_celsius", "power_watts", "memory_used_bytes", "utilization_ratio")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of an agent with two GPUs, the first of which reports impossible values."""
    with Simulation(2, models=["rtx4090"]) as simulation:
        garbage, well = simulation.gpus
        garbage.fix(
            temperature=82_505,
            power_usage=4_000_000_000,
            memory_used=1 << 45,
            graphics_clock=3_000_000_000,
            fan_speed=70_000,
            gpu_utilization=1234,
            pcie_width=255,
        )
        garbage.processes = [SimulatedProcess(BEYOND_ANY_PID, "C", 32 << 40)]
        garbage.error_counters = ErrorCounters(pcie_replays=1)
        well.fix(temperature=50, power_usage=100_000, gpu_utilization=0)
        async with agent_client() as client:
            yield client


async def answer(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()


def look_up(gpu: Any, path: str) -> Any:
    for name in path.split("."):
        gpu = gpu[name]
    return gpu


async def test_an_impossible_value_is_null_with_a_reason_and_does_not_affect_the_verdict(
    client: httpx.AsyncClient,
) -> None:
    garbage, well = (await answer(client, "/gpu?detail=1"))["gpus"]

    assert {path for path in UNKNOWN if look_up(garbage, path) is None} == UNKNOWN
    assert set(garbage["detail"]["unknown"]["impossible"]) >= UNKNOWN
    assert "impossible" not in well["detail"]["unknown"]
    assert (garbage["health"]["verdict"], well["health"]["verdict"]) == ("healthy", "healthy")
    assert garbage["throttling"]["bottlenecks"] == []


async def test_an_impossible_value_is_in_no_sum_and_no_mean(client: httpx.AsyncClient) -> None:
    summary = (await answer(client, "/gpu"))["summary"]

    assert summary["total_power_usage_watts"] == 100
    assert summary["average_temperature_celsius"] == 50
    assert summary["average_gpu_utilization_percent"] == 0


async def test_an_impossible_value_has_no_series(client: httpx.AsyncClient) -> None:
    lines = (await client.get("/metrics")).text.splitlines()

    for name in SERIES:
        series = [line for line in lines if line.startswith(f"nvidia_gpu_{name}{{")]
        assert len([line for line in series if 'gpu="1"' in line]) >= 1, name
        assert [line for line in series if 'gpu="0"' in line] == [], name


async def test_an_impossible_memory_of_a_process_is_unknown(
    client: httpx.AsyncClient,
) -> None:
    processes = (await answer(client, "/processes"))["data"]["processes"]
    (status,) = [
        process
        for process in (await answer(client, "/status"))["data"]["processes"]
        if process["pid"] == BEYOND_ANY_PID
    ]

    assert [row["gpu_memory_mb"] for row in processes if row["pid"] == BEYOND_ANY_PID] == [None]
    assert status["gpu_memory"] == "N/A"
