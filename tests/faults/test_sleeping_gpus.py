"""Sleeping GPUs of a laptop: every answer reports that, and none wakes them."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from agent.readings import ComputeMode
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
    """Let the GPUs sleep after a first sample, so that their identities are known."""
    assert await states(client) == ["ok", "ok"]
    async with asyncio.timeout(20):
        while await states(client) != ["asleep", "asleep"]:
            suspend(simulation)  # again, in case a sample in progress has woken them
            await asyncio.sleep(0.1)


async def test_every_answer_reports_that_gpus_sleep_and_none_wakes_them(laptop: Simulation) -> None:
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
        assert {one["health"]["verdict"] for one in gpu["gpus"]} == {None}, "the verdict is unknown"
        assert [one["state"] for one in status["devices"]] == ["asleep", "asleep"]
        assert [one["state"] for one in summary["gpus"]] == ["asleep", "asleep"]
        assert [one["idx"] for one in offered["gpus"]] == [0, 1]
        metrics = (await client.get("/metrics")).text
        metric_lines = [
            line for line in metrics.splitlines() if 'state="asleep"' in line and "nvidia_gpu_state{" in line
        ]
        assert [line.rpartition(" ")[2] for line in metric_lines] == ["1.0", "1.0"]
        assert laptop.total_calls == before
        assert [one.runtime_status for one in laptop.gpus] == ["suspended", "suspended"]


async def test_a_sleeping_gpu_that_had_a_fault_is_not_offered(laptop: Simulation) -> None:
    laptop.gpus[0].compute_mode = ComputeMode.PROHIBITED
    laptop.gpus[1].require_reset()
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        await fall_asleep(client, laptop)
        gpus = (await client.get("/summary")).json()["data"]["gpus"]
        offered = (await client.get("/free")).json()["data"]

        assert [(gpu["verdict"], gpu["free"]) for gpu in gpus] == [(None, False), ("critical", False)]
        assert [gpu["reason"] for gpu in offered["passed_over"]] == [
            "its compute mode is prohibited, when last read",
            "it is not healthy: The GPU requires a reset, when last read",
        ]
        assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/ready?require=healthy")).status_code == 503


async def test_awake_gpus_are_read_again(laptop: Simulation) -> None:
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        await fall_asleep(client, laptop)
        for gpu in laptop.gpus:
            gpu.runtime_status = "active"
        async with asyncio.timeout(20):
            while await states(client) != ["ok", "ok"]:  # noqa: ASYNC110  (only answers show it)
                await asyncio.sleep(0.1)


async def test_an_agent_that_starts_while_gpus_sleep_knows_their_number_and_places(
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
        (device / "driver").symlink_to("../../../bus/pci/drivers/nvidia")
        devices.append(device)
    return devices


async def test_gpus_without_a_driver_are_not_asleep(laptop: Simulation, tmp_path: Path) -> None:
    """The kernel suspends them as well, and no program can wake them."""
    devices = plug_in(tmp_path, laptop)
    runtime_power.in_place = HostRuntimePower(str(tmp_path))  # the end of the simulation restores it
    async with agent_client(SAMPLE_INTERVAL="0.5", EXPECTED_GPUS="2") as client:
        assert await states(client) == ["ok", "ok"]
        laptop.remove_driver("not_loaded")
        for device in devices:
            (device / "driver").unlink()
            (device / "power/runtime_status").write_text("suspended\n")
        async with asyncio.timeout(20):
            while (counted := await client.get("/count")).status_code == 200:  # noqa: ASYNC110  (only answers show it)
                await asyncio.sleep(0.1)

        assert counted.status_code == 500
        assert "installed but not loaded" in counted.text
        assert (await client.get("/ready")).status_code == 503
        assert (await client.get("/free")).status_code == 500


async def test_a_sleeping_gpu_that_is_unplugged_is_lost(laptop: Simulation, tmp_path: Path) -> None:
    devices = plug_in(tmp_path, laptop)
    runtime_power.in_place = HostRuntimePower(str(tmp_path))  # the end of the simulation restores it
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        assert await states(client) == ["ok", "ok"]
        for device in devices:
            (device / "power/runtime_status").write_text("suspended\n")
        async with asyncio.timeout(20):
            while await states(client) != ["asleep", "asleep"]:  # noqa: ASYNC110  (only answers show it)
                await asyncio.sleep(0.1)
        before = laptop.total_calls
        shutil.rmtree(devices[1])
        async with asyncio.timeout(20):
            while await states(client) != ["asleep", "lost"]:  # noqa: ASYNC110  (only answers show it)
                await asyncio.sleep(0.1)
        offered = (await client.get("/free?count=2")).json()["data"]

        assert (await client.get("/count")).json()["data"] == 1
        assert [gpu["idx"] for gpu in offered["gpus"]] == [0]
        assert offered["gpus"][0]["compute_processes"] is None, "its processes are not read"
        assert [gpu["idx"] for gpu in offered["passed_over"]] == [1]
        assert laptop.total_calls == before


@pytest.mark.slow
@pytest.mark.parametrize("symbol", ["nvmlInitWithFlags", "nvmlDeviceGetCount_v2"])
async def test_a_driver_that_hangs_when_gpus_wake_is_stuck(laptop: Simulation, symbol: str) -> None:
    async with agent_client(SAMPLE_INTERVAL="0.5", SAMPLE_TIMEOUT="0.5", EXPECTED_GPUS="2") as client:
        await fall_asleep(client, laptop)
        laptop.hang(symbol)
        for gpu in laptop.gpus:
            gpu.runtime_status = "active"
        async with asyncio.timeout(20):
            while await states(client) != ["stuck", "stuck"]:  # noqa: ASYNC110  (only answers show it)
                await asyncio.sleep(0.1)
        gpus = (await client.get("/summary")).json()["data"]["gpus"]
        metrics = (await client.get("/metrics")).text

        assert [(gpu["verdict"], gpu["free"]) for gpu in gpus] == [("critical", False)] * 2
        assert all(gpu["reason"].startswith("The driver has not answered for") for gpu in gpus)
        assert (await client.get("/ready")).status_code == 503
        assert (await client.get("/count")).json()["data"] == 2, "the last known number, as with any hang"
        assert "nvidia_gpu_agent_driver_up 0.0" in metrics
        assert "nvidia_gpu_agent_stuck_calls 1.0" in metrics
        laptop.release()
        async with asyncio.timeout(20):
            while await states(client) != ["ok", "ok"]:  # noqa: ASYNC110  (only answers show it)
                await asyncio.sleep(0.1)
        assert "nvidia_gpu_agent_driver_up 1.0" in (await client.get("/metrics")).text


async def test_gpus_that_may_not_sleep_are_sampled_whatever_their_runtime_status(
    simulation: Simulation,
) -> None:
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        suspend(simulation)  # they may not sleep, which is read again only after a minute
        before = simulation.total_calls
        async with asyncio.timeout(20):
            while simulation.total_calls == before:
                assert "asleep" not in await states(client)
                await asyncio.sleep(0.1)
