"""Workers are waited for together, until each has answered or is stuck."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.sampling.workers import Workers
from tests.support.sources import Valve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.sampling.worker import Worker

pytestmark = pytest.mark.anyio


class Some:
    """Workers with a manual clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.step = 0.0  # by which the clock moves at each reading
        self.workers = Workers(2.0, self._clock)
        self.valve = Valve()

    def _clock(self) -> float:
        self.now += self.step
        return self.now

    def start(self, *, hangs: bool = False) -> Worker[Any]:
        """A worker with a request; if it `hangs`, it answers when the valve is open."""
        worker = self.workers.start("some")
        worker.request(self.valve.pass_through if hangs else lambda: None)
        return worker


@asynccontextmanager
async def some() -> AsyncIterator[Some]:
    one = Some()
    try:
        yield one
    finally:
        one.valve.open()
        assert one.workers.close()


async def test_after_a_wait_all_requested_workers_have_answered() -> None:
    async with some() as one:
        started = [one.start() for _ in range(3)]
        async with asyncio.timeout(5):
            await one.workers.wait(started, one.now + 60)
        assert [worker.busy_since for worker in started] == [None] * 3


async def test_a_wait_ends_at_its_deadline() -> None:
    async with some() as one:
        one.valve.close()
        worker = one.start(hangs=True)
        async with asyncio.timeout(5):
            await one.workers.wait([worker], one.now + 0.01)
        assert worker.busy_since == one.now


async def test_a_worker_busy_for_the_timeout_is_stuck_and_not_waited_for() -> None:
    async with some() as one:
        one.valve.close()
        worker = one.start(hangs=True)
        one.now += 1.9
        assert not one.workers.is_stuck(worker)
        one.now += 0.1
        assert one.workers.is_stuck(worker)
        async with asyncio.timeout(5):
            await one.workers.wait([worker], one.now + 60)


async def test_a_worker_that_is_requested_again_is_waited_for() -> None:
    async with some() as one:
        worker = one.start()
        await one.workers.wait([worker], one.now + 10)
        one.valve.close()
        worker.request(one.valve.pass_through)
        waiting = asyncio.create_task(one.workers.wait([worker], one.now + 10))
        await asyncio.sleep(0)
        assert not waiting.done()
        one.valve.open()
        await waiting
        assert worker.busy_since is None


class Watch:
    """A thread beside the workers, which ends at once; records how long it was waited for."""

    ended = False
    waited = 0.0

    def stop(self) -> None:
        self.ended = True

    def join(self, timeout: float) -> None:
        self.waited = timeout


async def test_all_threads_are_ended_together_within_half_a_second() -> None:
    async with some() as one:
        one.start()
        watch: Any = Watch()
        assert one.workers.close(None, watch)
        assert (watch.ended, watch.waited) == (True, 0.5)


async def test_close_reports_a_hung_call_and_does_not_wait_for_it() -> None:
    async with some() as one:
        idle = one.start()
        one.valve.close()
        one.start(hangs=True)
        one.step = 1.0
        assert not one.workers.close()
        idle.join(10)
        assert not one.workers.close()
        one.step = 0.0
