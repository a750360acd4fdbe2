"""Work that several wait for goes on as long as one of them does."""

from __future__ import annotations

import asyncio

import pytest

from agent.http.shared_task import SharedTask

pytestmark = pytest.mark.anyio


async def test_work_is_abandoned_when_the_last_who_waited_has_gone() -> None:
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


async def test_work_that_is_done_is_not_abandoned() -> None:
    never = asyncio.get_running_loop().create_future()
    task = SharedTask(asyncio.sleep(0, "done"))

    assert await task.result(unless=never) == "done"
    assert task.abandoned is False
    assert await task.result(unless=never) == "done"


async def test_who_waits_until_something_else_happens_gets_nothing() -> None:
    gone = asyncio.get_running_loop().create_future()
    gone.set_result(None)

    assert await SharedTask(asyncio.sleep(3600, "done")).result(unless=gone) is None
