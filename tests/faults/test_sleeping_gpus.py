"""GPUs of a laptop that sleep: every answer says so, and none wakes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from tests.support.agents import agent_client, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

pytestmark = pytest.mark.anyio


@pytest.fixture
def laptop() -> Iterator[Simulation]:
    with Simulation(2, models=["rtx4090"]) as simulation:
        for gpu in simulation.gpus:
            gpu.processes = []
            gpu.fix(gpu_utilization=0)
            gpu.runtime_status = "active"
        yield simulation


def suspend(simulation: Simulation) -> None:
    for gpu in simulation.gpus:
        gpu.runtime_status = "suspended"


async def states(client: httpx.AsyncClient) -> list[str]:
    return [gpu["state"] for gpu in (await client.get("/gpu")).json()["gpus"]]


async def fall_asleep(client: httpx.AsyncClient, simulation: Simulation) -> None:
    """After a first sample: who they are is known."""
    assert await states(client) == ["ok", "ok"]
    async with asyncio.timeout(20):
        while await states(client) != ["asleep", "asleep"]:
            suspend(simulation)  # again, if a sample that was under way has woken them
            await asyncio.sleep(0.1)


async def test_every_answer_reports_that_they_sleep_and_none_wakes_them(laptop: Simulation) -> None:
    async with agent_client(SAMPLE_INTERVAL="0.5", EXPECTED_GPUS="2") as client:
        await fall_asleep(client, laptop)
        before = laptop.total_calls
        gpu = (await client.get("/gpu?detail=1")).json()
        status = (await client.get("/status")).json()["data"]
        summary = (await client.get("/summary")).json()["data"]
        offered = (await client.get("/free?count=2")).json()["data"]

        assert (await client.get("/count")).json() == {"code": 0, "data": 2}
        assert (await client.get("/ready")).json()["gpus"] == {"asleep": 2}
        assert gpu["status"] == "ok"
        assert [one["status"] for one in gpu["gpus"]] == ["idle", "idle"]
        assert [one["error"] for one in gpu["gpus"]] == [None, None]
        assert [one["uuid"] for one in gpu["gpus"]] == [one.values.uuid for one in laptop.gpus]
        assert {one["temperature_celsius"] for one in gpu["gpus"]} == {None}, "identity, and nothing else"
        assert {one["memory"]["total_mb"] for one in gpu["gpus"]} == {None}
        assert {one["health"]["verdict"] for one in gpu["gpus"]} == {None}, "which is not known"
        assert [one["state"] for one in status["devices"]] == ["asleep", "asleep"]
        assert [one["state"] for one in summary["gpus"]] == ["asleep", "asleep"]
        assert [one["idx"] for one in offered["gpus"]] == [0, 1]
        metrics = (await client.get("/metrics")).text
        told = [
            line for line in metrics.splitlines() if 'state="asleep"' in line and "nvidia_gpu_state{" in line
        ]
        assert [line.rpartition(" ")[2] for line in told] == ["1.0", "1.0"]
        assert laptop.total_calls == before
        assert [one.runtime_status for one in laptop.gpus] == ["suspended", "suspended"]


async def test_once_they_are_awake_they_are_read_again(laptop: Simulation) -> None:
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        await fall_asleep(client, laptop)
        for gpu in laptop.gpus:
            gpu.runtime_status = "active"
        async with asyncio.timeout(20):
            while await states(client) != ["ok", "ok"]:  # noqa: ASYNC110  (only answers tell)
                await asyncio.sleep(0.1)


async def test_an_agent_that_starts_while_they_sleep_knows_their_number_and_where_they_are(
    laptop: Simulation,
) -> None:
    suspend(laptop)
    async with agent_client() as client:
        gpus: list[dict[str, Any]] = (await client.get("/gpu")).json()["gpus"]

        assert [gpu["state"] for gpu in gpus] == ["asleep", "asleep"]
        assert (await client.get("/count")).json()["data"] == 2
        assert (await client.get("/free")).json()["data"]["gpus"] == [], "their UUIDs are unknown"
        assert laptop.total_calls == 0


async def test_a_server_is_never_asked_again(simulation: Simulation) -> None:
    async with agent_client() as client:
        assert "asleep" not in await states(client)
        suspend(simulation)
        await asyncio.to_thread(wait_until, lambda: simulation.total_calls > 0, "it is sampled")
        assert "asleep" not in await states(client)
