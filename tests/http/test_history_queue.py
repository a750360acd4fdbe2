"""Long answers wait for each other in a short queue. Other answers do not wait for them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agent.http.errors import TryAgainLater
from agent.http.history_queue import PATIENCE, history_queue

MAX_WAITING = 32

pytestmark = pytest.mark.anyio


async def test_at_most_32_requests_wait_and_the_next_is_refused_for_now() -> None:
    queue, gate = history_queue(), threading.Event()
    first = asyncio.create_task(queue.run(gate.wait))
    await asyncio.sleep(0)
    others = [asyncio.create_task(queue.run(lambda: True)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TryAgainLater, match="32 requests already wait for such an answer; try again later"):
        await queue.run(lambda: True)
    gate.set()

    assert await asyncio.gather(first, *others) == [True] * (MAX_WAITING + 1)


async def test_a_request_that_waits_too_long_is_refused_for_now() -> None:
    assert PATIENCE == 2
    queue, gate = history_queue(patience=0.01), threading.Event()
    first = asyncio.create_task(queue.run(gate.wait))
    await asyncio.sleep(0)
    with pytest.raises(TryAgainLater, match="takes too long"):
        await queue.run(lambda: True)
    gate.set()

    assert await first


async def test_an_abandoned_thread_keeps_its_turn_until_it_ends() -> None:
    queue, gate, at_work = history_queue(), threading.Event(), threading.Event()

    def work() -> None:
        at_work.set()
        gate.wait(10)

    given_up = asyncio.create_task(queue.run(work))
    assert await asyncio.to_thread(at_work.wait, 10)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    second = asyncio.create_task(queue.run(lambda: "second"))
    await asyncio.sleep(0.01)
    assert not second.done()
    gate.set()

    assert await second == "second"
