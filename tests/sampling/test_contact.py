"""When the driver is read again, and when it cannot be released."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.readings import GpuState
from agent.sampling.contact import Contact
from agent.sampling.states import Patience
from agent.sampling.workers import Workers
from tests.support.agents import wait_until
from tests.support.sources import FakeDriver, FakeGpu

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

PRESENT = ["GPU-0", "GPU-1"]


class SlowGpu(FakeGpu):
    """A GPU whose handle may be slow to release."""

    def release(self, *, may_be_another: bool = False) -> None:
        super().release(may_be_another=may_be_another)
        self.valve.pass_through()


class ContactWithTwo:
    """A contact with two GPUs, with a manual clock."""

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
async def contact_with_two() -> AsyncIterator[ContactWithTwo]:
    one = ContactWithTwo()
    await one.refresh()
    try:
        yield one
    finally:
        for gpu in one.gpus:
            gpu.valve.open()
        assert one.workers.close()


async def test_the_driver_is_read_every_five_seconds_while_all_gpus_are_ok() -> None:
    async with contact_with_two() as one:
        reads = []
        for after in (1.0, 3.9, 0.1, 1.0):
            one.now += after
            await one.refresh()
            reads.append(one.driver.reads)
        assert reads == [1, 1, 2, 2]
        assert one.contact.gpu_count == 2


async def test_the_driver_is_read_in_each_round_while_a_gpu_is_lost() -> None:
    async with contact_with_two() as one:
        one.gpus[1].error = "Gone"
        await one.contact.read_gpus(one.now, watched=True)
        for _ in range(2):
            await one.refresh()
        assert one.driver.reads == 3


async def test_while_the_driver_does_not_answer_there_are_no_gpus() -> None:
    async with contact_with_two() as one:
        one.driver.error = "Away"
        one.now += 5
        await one.refresh()
        await one.refresh()
        assert (one.contact.gpus, one.contact.gpu_count, one.contact.error) == ([], None, "Away")
        one.driver.error = None
        await one.refresh()
        assert [slot.index for slot in one.contact.gpus] == [0, 1]


async def test_a_contact_is_released_once_and_made_again_by_a_look() -> None:
    async with contact_with_two() as one:
        assert one.contact.is_made
        assert [await one.contact.release() for _ in range(2)] == [True, True]
        assert (one.contact.is_made, one.driver.releases) == (False, 1)
        await one.refresh()
        assert one.contact.is_made


async def test_the_driver_is_not_released_while_a_call_hangs() -> None:
    async with contact_with_two() as one:
        one.gpus[1].valve.close()
        await one.contact.read_gpus(one.now, watched=True)
        assert not await one.contact.release()
        assert (one.driver.releases, one.gpus[0].releases) == (0, 0)


async def test_a_driver_that_hangs_without_contact_is_stuck() -> None:
    async with contact_with_two() as one:
        await one.contact.release()
        one.driver.valve.close()
        await one.contact.refresh(one.now)
        assert (one.contact.is_stuck, one.contact.stuck_calls) == (False, 0), "it may still answer"
        one.now += 60
        assert (one.contact.is_stuck, one.contact.stuck_calls) == (True, 1)
        gpus = one.contact.judge_states(
            one.now, since_boot=one.now, booted_at=0.0, patience=Patience(1.0, 3.0, 60.0)
        )
        assert [gpu.state for gpu in gpus] == [GpuState.STUCK, GpuState.STUCK]
        one.driver.valve.open()
        wait_until(lambda: one.contact.driver.busy_since is None, "the driver has answered")
        assert (one.contact.is_stuck, one.contact.stuck_calls) == (False, 0)


async def test_a_call_that_hangs_in_contact_does_not_end_the_contact() -> None:
    async with contact_with_two() as one:
        one.driver.valve.close()
        one.now += 5
        await one.contact.refresh(one.now)
        one.now += 60
        assert (one.contact.is_stuck, one.contact.stuck_calls) == (False, 1)
        assert one.contact.silent_since is None
        one.driver.valve.open()


async def test_the_driver_is_not_released_before_each_gpu_is() -> None:
    async with contact_with_two() as one:
        one.gpus[1].valve.close()
        assert not await one.contact.release()
        assert (one.driver.releases, one.gpus[0].releases) == (0, 1)
        assert one.contact.is_made
