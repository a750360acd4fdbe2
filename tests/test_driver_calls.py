"""Driver calls: the same for one client and for 200, and none without demand."""

from __future__ import annotations

import asyncio
from itertools import cycle, islice
from typing import TYPE_CHECKING

import pytest

from tests.support import loopback
from tests.support.agents import agent_client, agent_server
from tests.support.endpoints import OF_ONE_SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from agent.simulation import Simulation

import httpx

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# A function called once in every sample of every GPU: its count is the number of samples times GPUs.
PER_SAMPLE = "nvmlDeviceGetUtilizationRates"
SECONDS = 2.0


async def samples_in(simulation: Simulation, seconds: float) -> float:
    """Samples per GPU from now on."""
    before = simulation.calls[PER_SAMPLE]
    await asyncio.sleep(seconds)
    return (simulation.calls[PER_SAMPLE] - before) / len(simulation.gpus)


async def poll(client: httpx.AsyncClient, every: float, first: int) -> None:
    """Request three endpoints in turn every `every` seconds, beginning with number `first`."""
    for path in islice(cycle(OF_ONE_SNAPSHOT), first, None):
        assert (await client.get(path)).status_code == 200
        await asyncio.sleep(every / 3)


@pytest.mark.parametrize(
    "clients",
    [pytest.param(1, id="one client"), pytest.param(200, id="200 clients")],
)
async def test_any_number_of_polls_costs_one_sample_per_second(simulation: Simulation, clients: int) -> None:
    async with agent_client() as client:
        polling = [asyncio.create_task(poll(client, 1.0, first)) for first in range(clients)]
        await asyncio.sleep(0.5)
        samples = await samples_in(simulation, SECONDS)
        for task in polling:
            task.cancel()
    assert samples == pytest.approx(SECONDS, abs=1)


@pytest.mark.parametrize(
    "streams",
    [pytest.param(1, id="one stream"), pytest.param(50, id="50 streams")],
)
async def test_any_number_of_streams_costs_one_sample_per_interval(
    simulation: Simulation, streams: int
) -> None:
    with agent_server() as url:
        async with loopback.AsyncClient(
            base_url=url, limits=httpx.Limits(max_connections=None), timeout=30
        ) as client:
            readers = [asyncio.create_task(read_events(client)) for _ in range(streams)]
            await asyncio.sleep(0.5)
            samples = await samples_in(simulation, SECONDS)
            for reader in readers:
                reader.cancel()
            events = await asyncio.gather(*readers)
    assert samples == pytest.approx(SECONDS / 0.5, abs=2)
    assert min(events) >= samples - 1, "every stream got every sample"


async def read_events(client: httpx.AsyncClient) -> int:
    """Events of one stream until the reader is cancelled."""
    events = 0
    stream: AbstractAsyncContextManager[httpx.Response] = client.stream("GET", "/gpu/stream?interval=0.5")
    try:
        async with stream as response:
            lines: AsyncIterator[str] = response.aiter_lines()
            async for line in lines:
                events += line.startswith("data: ")
    except asyncio.CancelledError:
        return events
    raise AssertionError("the stream ended by itself")


async def test_without_clients_and_history_there_is_no_driver_call(simulation: Simulation) -> None:
    async with agent_client(HISTORY_INTERVAL="0", SAMPLE_INTERVAL="0.5") as client:
        await client.get("/status")
        await asyncio.sleep(2)  # sampling goes on for three intervals after a poll
        before = simulation.total_calls
        await asyncio.sleep(1.5)
        assert (await client.get("/health")).status_code == 200
        assert simulation.total_calls == before


async def test_history_costs_one_sample_per_interval(simulation: Simulation) -> None:
    async with agent_client(HISTORY_INTERVAL="1", SAMPLE_INTERVAL="0.5") as client:
        await client.get("/health")
        await asyncio.sleep(0.5)
        assert await samples_in(simulation, 3) == pytest.approx(3, abs=1)
