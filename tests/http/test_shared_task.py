"""Shared work goes on as long as at least one waiter is left."""

from __future__ import annotations

import asyncio

import pytest

from agent.http.shared_task import SharedTask

pytestmark = pytest.mark.anyio


async def test_shared_work_is_abandoned_when_its_last_waiter_has_left() -> None:
    never, cleared = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await cleared.wait()

    task = SharedTask(work())
    waiting = [asyncio.create_task(task.result(unless=never)) for _ in range(2)]
    await asyncio.sleep(0)

    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    assert task.abandoned is False
    waiting[1].cancel()
    await asyncio.wait(waiting)
    assert task.abandoned is True, "its end is asked for"
    cleared.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert task.abandoned is True, "it has ended"


async def test_finished_work_is_not_abandoned() -> None:
    never = asyncio.get_running_loop().create_future()
    task = SharedTask(asyncio.sleep(0, "done"))

    assert await task.result(unless=never) == "done"
    assert task.abandoned is False
    assert await task.result(unless=never) == "done"


async def test_a_waiter_whose_other_event_happens_first_gets_none() -> None:
    gone = asyncio.get_running_loop().create_future()
    gone.set_result(None)

    assert await SharedTask(asyncio.sleep(3600, "done")).result(unless=gone) is None
