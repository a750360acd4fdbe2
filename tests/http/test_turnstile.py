"""The event loop never computes for long without a pause, and requests keep their order."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from agent.http.turnstile import TimeSlices, Turnstile

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = 8  # requests let through in one turn of the loop
SLICE = 0.004  # seconds at a stretch for an answer that is made in pieces

pytestmark = pytest.mark.anyio


async def test_few_pass_in_one_turn_of_the_loop_in_the_order_of_their_arrival() -> None:
    turnstile, passed = Turnstile(), list[int]()

    async def passing(number: int) -> None:
        await turnstile.wait()
        passed.append(number)

    crowd = [asyncio.create_task(passing(number)) for number in range(5 * AT_ONCE)]
    before = 0
    while len(passed) < len(crowd):
        await asyncio.sleep(0)
        assert len(passed) - before <= AT_ONCE
        before = len(passed)
    assert passed == [*range(len(crowd))]


async def test_alone_nobody_waits() -> None:
    """Also after a crowd has passed."""
    turnstile = Turnstile()
    await asyncio.gather(*(turnstile.wait() for _ in range(3 * AT_ONCE)))
    await asyncio.sleep(0)
    with pytest.raises(StopIteration):
        turnstile.wait().send(None)


async def test_who_gives_up_in_the_queue_keeps_nobody_else_waiting() -> None:
    turnstile = Turnstile()
    crowd = [asyncio.create_task(turnstile.wait()) for _ in range(4 * AT_ONCE)]
    await asyncio.sleep(0)
    for waiting in crowd[AT_ONCE : 3 * AT_ONCE]:
        waiting.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait(crowd)
    assert sum(waiting.cancelled() for waiting in crowd) == 2 * AT_ONCE


def slow(name: bytes, pieces: int, made: list[bytes]) -> Iterator[bytes]:
    """Pieces of which each takes a whole slice."""
    for _ in range(pieces):
        end = time.perf_counter() + SLICE
        while time.perf_counter() < end:
            pass
        made.append(name)
        yield name


async def test_all_who_make_something_take_turns() -> None:
    """A short answer does not wait for a long one."""
    slices, made = TimeSlices(), list[bytes]()
    long = asyncio.create_task(slices.join(slow(b"l", 20, made)))
    short = asyncio.create_task(slices.join(slow(b"s", 2, made)))
    assert await short == b"ss"
    assert made.count(b"l") < 5
    assert await long == b"l" * 20


async def test_what_is_cancelled_makes_no_further_piece() -> None:
    slices, made = TimeSlices(), list[bytes]()
    joining = asyncio.create_task(slices.join(slow(b"x", 1000, made)))
    await asyncio.sleep(0)
    joining.cancel()
    await asyncio.wait([joining])
    assert len(made) < 10
    assert await slices.join([b"a", b"b"]) == b"ab"
