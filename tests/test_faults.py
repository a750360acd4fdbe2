"""What real drivers do, on the simulated one, while twenty clients poll: others stay exact, nobody waits."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.sampling.collector import MAX_WAIT
from agent.simulation import NvmlReturn, SimulatedProcess
from tests.support.agents import agent_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from agent.simulation import Simulation

pytestmark = pytest.mark.anyio

CLIENTS = 20
SAMPLE_INTERVAL = 0.5
# What a loaded machine adds to an answer; the driver's own part is MAX_WAIT.
SCHEDULING = 0.35
NOT_OF_ONE_GPU = ("nvmlDeviceGetHandle", "nvmlDeviceGetCount")


class Clients:
    """Twenty dashboards that poll `/status`, and what they have seen."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.slowest = 0.0
        self.statuses: set[int] = set()
        self.newest: dict[str, Any] = {}

    async def poll(self) -> None:
        while True:
            began = time.monotonic()
            response = await self.client.get("/status")
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.statuses.add(response.status_code)
            self.newest = response.json()
            await asyncio.sleep(0.1)

    @property
    def devices(self) -> list[dict[str, Any]]:
        return self.newest["data"]["devices"] if self.newest.get("data") else []

    def states(self) -> list[str]:
        return [device["state"] for device in self.devices]

    async def see(self, condition: Callable[[], object], within: float) -> None:
        """Wait until the clients have seen it."""
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110  (what twenty clients see is no event)
                await asyncio.sleep(0.02)


@asynccontextmanager
async def twenty_clients(simulation: Simulation, **environ: str) -> AsyncIterator[Clients]:
    for index, gpu in enumerate(simulation.gpus):
        gpu.fix(temperature=40 + index)
    async with agent_client(SAMPLE_INTERVAL=str(SAMPLE_INTERVAL), **environ) as client:
        clients = Clients(client)
        polling = [asyncio.create_task(clients.poll()) for _ in range(CLIENTS)]
        try:
            await clients.see(lambda: clients.newest, within=5)
            yield clients
        finally:
            for task in polling:
                task.cancel()
        assert all(task.cancelled() or task.cancelling() for task in polling), "no client failed"
        assert clients.slowest < MAX_WAIT + SCHEDULING


def others_are_exact(clients: Clients, *faulty: int) -> bool:
    return all(
        device["temperature"] == 40 + device["idx"] and device["state"] == "ok"
        for device in clients.devices
        if device["idx"] not in faulty
    )


async def test_one_of_eight_gpus_lost_and_back(simulation: Simulation) -> None:
    async with twenty_clients(simulation) as clients:
        name = clients.devices[3]["name"]
        simulation.gpus[3].lose()
        await clients.see(lambda: clients.states()[3] == "lost", within=2)
        lost = clients.devices[3]
        assert (lost["name"], lost["temperature"], lost["power_status"]) == (name, "N/A", "N/A / N/A")
        assert lost["memory_total_human"] != "N/A", "identity and total memory stay"
        assert "lost" in lost["error"]
        assert others_are_exact(clients, 3)
        simulation.gpus[3].restore()
        began = time.monotonic()
        await clients.see(lambda: clients.states() == ["ok"] * 8, within=5)
        assert time.monotonic() - began < 2 * SAMPLE_INTERVAL + SCHEDULING + 0.1
        assert clients.statuses == {200}


async def test_a_call_that_hangs_for_good(simulation: Simulation) -> None:
    async with twenty_clients(simulation, SAMPLE_TIMEOUT="0.5") as clients:
        simulation.gpus[5].hang("nvmlDeviceGetPowerUsage")
        await clients.see(lambda: clients.states()[5] == "stuck", within=3)
        assert clients.devices[5]["gpu_utilization"] == "N/A"
        assert "has not returned" in clients.devices[5]["error"]
        assert others_are_exact(clients, 5)
        simulation.gpus[5].release()
        await clients.see(lambda: clients.states() == ["ok"] * 8, within=5)
        assert clients.statuses == {200}


async def test_two_gpus_hung_at_once_and_a_third_lost(simulation: Simulation) -> None:
    async with twenty_clients(simulation, SAMPLE_TIMEOUT="0.5") as clients:
        simulation.gpus[0].hang()
        simulation.gpus[1].hang()
        simulation.gpus[7].lose()
        await clients.see(lambda: clients.states()[:2] == ["stuck", "stuck"], within=3)
        assert clients.states()[7] == "lost"
        assert others_are_exact(clients, 0, 1, 7)


async def test_no_driver_at_start_and_then_it_comes(simulation: Simulation) -> None:
    simulation.remove_driver("absent")
    async with twenty_clients(simulation) as clients:
        assert clients.statuses == {500}
        assert clients.newest["code"] == 2
        assert "install the driver" in clients.newest["error"]
        simulation.restore_driver()
        await clients.see(lambda: clients.states() == ["ok"] * 8, within=3)


async def test_nvml_init_itself_hangs_at_start(simulation: Simulation) -> None:
    simulation.hang("nvmlInitWithFlags")
    async with twenty_clients(simulation) as clients:
        assert clients.statuses == {503}
        assert "has not answered yet" in clients.newest["error"]
        simulation.release("nvmlInitWithFlags")
        await clients.see(lambda: clients.states() == ["ok"] * 8, within=3)


async def test_the_driver_is_reloaded_under_our_feet(simulation: Simulation) -> None:
    async with twenty_clients(simulation) as clients:
        simulation.reload_driver()
        for gpu in simulation.gpus:
            gpu.fix(temperature=77)
        await clients.see(lambda: [device["temperature"] for device in clients.devices] == [77] * 8, within=3)


async def test_nvml_is_shut_down_beneath_nvitop(simulation: Simulation) -> None:
    async with twenty_clients(simulation) as clients:
        simulation.shutdown_nvml()
        for gpu in simulation.gpus:
            gpu.fix(temperature=77)
        await clients.see(lambda: [device["temperature"] for device in clients.devices] == [77] * 8, within=3)


async def test_counting_the_gpus_fails_once(simulation: Simulation) -> None:
    async with twenty_clients(simulation) as clients:
        counted = simulation.calls["nvmlDeviceGetCount_v2"]
        simulation.fail("nvmlDeviceGetCount_v2", NvmlReturn.UNKNOWN, times=1)
        simulation.gpus[0].lose()  # a GPU in doubt makes the driver be asked
        await clients.see(lambda: simulation.calls["nvmlDeviceGetCount_v2"] >= counted + 2, within=7)
        simulation.gpus[0].restore()
        await clients.see(lambda: clients.states() == ["ok"] * 8, within=3)
        assert clients.statuses == {200}
        assert clients.newest["data"]["count"] == 8


async def test_the_process_list_changes_under_our_feet(simulation: Simulation) -> None:
    for gpu in simulation.gpus:
        gpu.processes = [SimulatedProcess(pid=1, memory_bytes=1 << 30)]
        gpu.churn = True
    async with twenty_clients(simulation) as clients:
        await asyncio.sleep(3)
        assert clients.statuses == {200}
        assert others_are_exact(clients)


async def test_everything_not_supported_is_unknown_and_never_an_error(simulation: Simulation) -> None:
    async with twenty_clients(simulation) as clients:
        gpu = simulation.gpus[2]
        gpu.unsupport(
            *(
                symbol
                for symbol in list(simulation.calls)
                if symbol.startswith("nvmlDeviceGet") and not symbol.startswith(NOT_OF_ONE_GPU)
            )
        )
        await clients.see(lambda: clients.devices[2]["temperature"] == "N/A", within=3)
        assert clients.devices[2]["state"] == "ok", "it answers: it only has nothing to tell"
        assert clients.statuses == {200}
        assert others_are_exact(clients, 2)
