"""When the driver is asked again, and when it cannot be let go."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.sampling.contact import Contact
from agent.sampling.workers import Workers
from tests.support.agents import wait_until
from tests.support.sources import FakeDriver, FakeGpu

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

PRESENT = ["GPU-0", "GPU-1"]


class SlowGpu(FakeGpu):
    """Its handle may take its time to be let go."""

    def release(self, *, may_be_another: bool = False) -> None:
        super().release(may_be_another=may_be_another)
        self.valve.pass_through()


class Made:
    """A contact with two GPUs, in a time that hardly moves by itself."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.driver = FakeDriver(PRESENT)
        self.gpus: list[SlowGpu] = []
        self.workers = Workers(60.0, self._clock)
        topology: Any = self.workers.start("topology")
        self.contact = Contact(self.driver, self._open, self.workers, topology=topology, clock=self._clock)

    def _clock(self) -> float:
        self.now += 2**-20  # so that one call is later than another
        return self.now

    def _open(self, index: int) -> SlowGpu:
        self.gpus.append(SlowGpu(index, PRESENT, self._clock))
        return self.gpus[-1]

    async def refresh(self) -> None:
        await self.contact.refresh(self._clock())
        wait_until(lambda: self.contact.driver.busy_since is None, "the driver has answered")


@asynccontextmanager
async def made() -> AsyncIterator[Made]:
    one = Made()
    await one.refresh()
    try:
        yield one
    finally:
        for gpu in one.gpus:
            gpu.valve.open()
        assert one.workers.close()


async def test_the_driver_is_asked_every_five_seconds_while_all_is_well() -> None:
    async with made() as one:
        reads = []
        for after in (1.0, 3.9, 0.1, 1.0):
            one.now += after
            await one.refresh()
            reads.append(one.driver.reads)
        assert reads == [1, 1, 2, 2]
        assert one.contact.gpu_count == 2


async def test_the_driver_is_asked_in_each_round_while_one_gpu_is_in_doubt() -> None:
    async with made() as one:
        one.gpus[1].error = "Gone"
        await one.contact.read_gpus(one.now, watched=True)
        for _ in range(2):
            await one.refresh()
        assert one.driver.reads == 3


async def test_while_the_driver_does_not_answer_there_are_no_gpus() -> None:
    async with made() as one:
        one.driver.error = "Away"
        one.now += 5
        await one.refresh()
        await one.refresh()
        assert (one.contact.gpus, one.contact.gpu_count, one.contact.error) == ([], None, "Away")
        one.driver.error = None
        await one.refresh()
        assert [slot.index for slot in one.contact.gpus] == [0, 1]


async def test_what_is_let_go_is_let_go_once_and_made_anew_by_a_look() -> None:
    async with made() as one:
        assert one.contact.is_made
        assert [await one.contact.release() for _ in range(2)] == [True, True]
        assert (one.contact.is_made, one.driver.releases) == (False, 1)
        await one.refresh()
        assert one.contact.is_made


async def test_the_driver_is_not_let_go_while_a_call_is_out() -> None:
    async with made() as one:
        one.gpus[1].valve.close()
        await one.contact.read_gpus(one.now, watched=True)
        assert not await one.contact.release()
        assert (one.driver.releases, one.gpus[0].releases) == (0, 0)


async def test_the_driver_is_not_let_go_before_each_gpu_is() -> None:
    async with made() as one:
        one.gpus[1].valve.close()
        assert not await one.contact.release()
        assert (one.driver.releases, one.gpus[0].releases) == (0, 1)
        assert one.contact.is_made
