"""How a request that waits for GPUs ends, with the Snapshots that a test gives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest
from starlette.requests import Request

from agent.derive.free import Wish
from agent.http.authentication import ADMISSION_KEY, Admission
from agent.http.shared_state import SharedState
from agent.http.turnstile import Turnstile
from agent.readings import ComputeMode, DriverReading, GpuSample, GpuState, Snapshot
from agent.routes.free import free
from tests.support.agents import settings
from tests.support.readings import reading

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette.types import Message

    from agent.sampling.sampler import Sampler

pytestmark = pytest.mark.anyio

FREE = reading(
    identity_uuid="GPU-0",
    memory_total_bytes=2**30,
    memory_free_bytes=2**30,
    utilization_gpu_percent=0,
    modes_compute_mode=ComputeMode.DEFAULT,
    processes=(),
)
SNAPSHOT = Snapshot(1.0, 1.0, driver=DriverReading(gpu_count=1), gpus=(GpuSample(0, GpuState.OK, FREE),))


class GivenSnapshots:
    """A sampler that has these Snapshots for a waiting request, and no other after them."""

    def __init__(self, *snapshots: Snapshot) -> None:
        self._snapshots = snapshots

    async def latest(self) -> Snapshot:
        return SNAPSHOT

    async def watch(
        self, _interval: float, _heartbeat: float, _is_over: Callable[[], bool]
    ) -> AsyncGenerator[Snapshot]:
        for snapshot in self._snapshots:
            yield snapshot
        await asyncio.Future()


def agent(*snapshots: Snapshot) -> SharedState:
    shared = SharedState(settings())
    shared.sampler = cast("Sampler", GivenSnapshots(*snapshots))
    return shared


def asking(shared: SharedState, *, stays: bool = True) -> Request:
    """The request of a client that stays connected, or has disconnected."""

    async def receive() -> Message:
        return await asyncio.Future() if stays else {"type": "http.disconnect"}

    admission = Admission(shared.tokens, lambda: True)
    return Request({"type": "http", "method": "GET", "headers": [], ADMISSION_KEY: admission}, receive)


def offered_to_others(shared: SharedState) -> int:
    return len(shared.queue.offer_now(Wish(), SNAPSHOT).gpus)


@pytest.mark.parametrize(("stays", "left"), [(True, 0), (False, 1)])
async def test_only_a_client_that_is_still_there_takes_the_gpu_from_others(stays: bool, left: int) -> None:
    shared = agent(SNAPSHOT)

    await free(asking(shared, stays=stays), shared, Wish(), wait=5)

    assert offered_to_others(shared) == left


async def test_a_request_whose_time_is_up_takes_the_gpu_that_it_was_given() -> None:
    shared = agent()

    answer = await free(asking(shared), shared, Wish(), wait=0.001)

    assert b'"satisfied":true' in bytes(answer.body)
    assert offered_to_others(shared) == 0


async def test_each_request_takes_a_turn_after_its_sample() -> None:
    """Many requests may have waited for the same sample."""
    turns_taken: list[None] = []

    class Counting(Turnstile):
        async def wait(self) -> None:
            turns_taken.append(None)

    shared = agent()
    shared.turnstile = Counting()

    await free(asking(shared), shared, Wish())

    assert len(turns_taken) == 1
