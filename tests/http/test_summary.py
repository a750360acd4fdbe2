"""`/summary` through the whole agent: on a healthy host, and with findings."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent import __version__
from agent.simulation import Simulation
from tests.http.schema import faults, response_schema
from tests.http.wire import A_TOKEN
from tests.support.agents import agent_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def agent(gpus: int = 8, scenario: str = "healthy", **environ: str) -> AsyncIterator[Any]:
    """The simulation, and a client of an agent whose sample stays the newest."""
    with Simulation(gpus, scenario=scenario) as simulation:
        async with agent_client(SAMPLE_INTERVAL="60", HISTORY_INTERVAL="60", **environ) as client:
            yield simulation, client


async def data(client: httpx.AsyncClient, path: str = "/summary") -> Any:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_each_gpu_has_the_same_values_as_in_the_other_answers() -> None:
    async with agent() as (_, client):
        summary, status = await data(client), await data(client, "/status")
        gpu = (await client.get("/gpu")).json()
        free = await data(client, "/free?count=8")

    assert (summary["hostname"], summary["version"]) == (gpu["system_info"]["hostname"], __version__)
    assert summary["model"] == "NVIDIA H100 80GB HBM3"
    assert summary["simulated"] is False
    offered = sorted(one["idx"] for one in free["gpus"])
    assert [one["idx"] for one in summary["gpus"] if one["free"]] == offered
    assert summary["counts"]["free"] == len(free["gpus"]) > 0
    for line, device, one in zip(summary["gpus"], status["devices"], gpu["gpus"], strict=True):
        assert line["idx"] == device["idx"]
        assert line["state"] == device["state"] == "ok"
        assert line["verdict"] == device["health"]["verdict"]
        assert line["utilization_percent"] == device["gpu_utilization"]
        assert line["temperature_celsius"] == device["temperature"]
        assert f"{line['memory_used_mb']}MiB" == device["memory_used_human"]
        assert f"{line['memory_total_mb']}MiB" == device["memory_total_human"]
        assert line["power_watts"] == one["power"]["usage_watts"]
        assert line["users"] == sorted({process["username"] for process in one["top_processes"]})
        assert (line["idle_since"] is None) == (line["utilization_percent"] >= 5)
    sums = gpu["summary"]
    assert summary["totals"] == {
        "utilization_percent": sums["average_gpu_utilization_percent"],
        "memory_used_mb": sums["total_used_memory_mb"],
        "memory_total_mb": sums["total_memory_mb"],
        "power_watts": sums["total_power_usage_watts"],
    }


async def test_eight_healthy_gpus_take_at_most_700_bytes_of_gzip() -> None:
    async with agent() as (_, client):
        packed = await client.get("/summary", headers={"Accept-Encoding": "gzip"})

    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) <= 700


async def test_a_missing_gpu_makes_the_host_critical() -> None:
    with Simulation(8) as simulation:
        simulation.gpus[1].vanish()
        async with agent_client(EXPECTED_GPUS="8") as client:
            summary = await data(client)

    assert summary["verdict"] == summary["host"]["verdict"] == "critical"
    assert summary["host"]["reason"] == "1 of the 8 expected GPUs is missing"
    assert summary["host"]["todo"].startswith("see lspci and dmesg")
    assert (summary["counts"]["gpus"], summary["counts"]["critical"]) == (7, 0)


async def test_a_lost_gpu_has_a_reason_and_what_to_do() -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].lose()
        async with agent_client() as client:
            summary = await data(client)

    lost = summary["gpus"][1]
    assert (lost["state"], lost["verdict"], lost["free"], lost["users"]) == ("lost", "critical", False, None)
    assert lost["reason"]
    assert lost["todo"]
    assert summary["host"]["verdict"] == "healthy", "the GPU is still listed by the driver"


async def test_a_gpu_offered_to_a_waiting_request_is_not_free() -> None:
    with Simulation(2) as simulation:
        for gpu in simulation.gpus:
            gpu.processes = []
            gpu.fix(gpu_utilization=0, memory_used=0)
        async with agent_client(SAMPLE_INTERVAL="0.5") as client:
            assert (await data(client))["counts"]["free"] == 2
            given = (await data(client, "/free?wait=10"))["gpus"][0]["idx"]
            while (summary := await data(client))["counts"]["free"] == 2:
                pass  # the answer of the previous sample, for at most half a second
            document = (await client.get("/openapi.json")).json()

    assert [one["free"] for one in summary["gpus"]] == [idx != given for idx in range(2)]
    schema = response_schema(document, "/summary", 200)
    assert list(faults({"code": 0, "data": summary}, schema, document)) == []


async def test_unknown_parameters_of_the_summary_are_ignored() -> None:
    """Some clients append them to each request."""
    async with agent() as (_, client):
        assert (await client.get("/summary?_=123")).content == (await client.get("/summary")).content


async def test_the_summary_requires_the_token() -> None:
    async with agent(TOKEN=A_TOKEN) as (_, client):
        assert (await client.get("/summary")).status_code == 401
        assert (await client.get("/summary", headers={"Authorization": A_TOKEN})).status_code == 200
