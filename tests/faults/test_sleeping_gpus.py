"""Sleeping GPUs of a laptop: every answer reports that, and none wakes them."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from agent.sources import runtime_power
from agent.sources.pci import DEVICES, as_the_kernel_writes
from agent.sources.runtime_power import HostRuntimePower
from tests.support.agents import agent_client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def plug_in(sys_root: Path, simulation: Simulation) -> list[Path]:
    """The GPUs of this simulation as /sys shows them, by index: awake, and they may sleep."""
    devices = []
    for gpu in simulation.gpus:
        device = sys_root / DEVICES / str(as_the_kernel_writes(str(gpu.values.bus_id)))
        (device / "power").mkdir(parents=True)
        (device / "vendor").write_text("0x10de\n")
        (device / "class").write_text("0x030000\n")
        (device / "power/control").write_text("auto\n")
        (device / "power/runtime_status").write_text("active\n")
        devices.append(device)
    return devices


async def test_of_two_that_sleep_by_sys_the_one_that_is_unplugged_is_lost(
    laptop: Simulation, tmp_path: Path
) -> None:
    devices = plug_in(tmp_path, laptop)
    runtime_power.in_place = HostRuntimePower(str(tmp_path))  # put back with the simulation
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        assert await states(client) == ["ok", "ok"]
        for device in devices:
            (device / "power/runtime_status").write_text("suspended\n")
        async with asyncio.timeout(20):
            while await states(client) != ["asleep", "asleep"]:  # noqa: ASYNC110  (only answers tell)
                await asyncio.sleep(0.1)
        before = laptop.total_calls
        shutil.rmtree(devices[1])
        async with asyncio.timeout(20):
            while await states(client) != ["asleep", "lost"]:  # noqa: ASYNC110  (only answers tell)
                await asyncio.sleep(0.1)
        offered = (await client.get("/free?count=2")).json()["data"]

        assert (await client.get("/count")).json()["data"] == 1
        assert [gpu["idx"] for gpu in offered["gpus"]] == [0]
        assert offered["gpus"][0]["compute_processes"] is None, "nobody asks who has it open"
        assert [gpu["idx"] for gpu in offered["passed_over"]] == [1]
        assert laptop.total_calls == before


async def test_a_server_is_sampled_whatever_its_gpus_are_said_to_do(simulation: Simulation) -> None:
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        suspend(simulation)  # but they were not allowed to, and that is asked again only after a minute
        before = simulation.total_calls
        async with asyncio.timeout(20):
            while simulation.total_calls == before:
                assert "asleep" not in await states(client)
                await asyncio.sleep(0.1)
