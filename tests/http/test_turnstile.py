"""The event loop never computes for long without a pause, and requests keep their order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent.http.turnstile import InTurn, TimeSlices, Turnstile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

AT_ONCE = 8  # requests that pass in one turn of the loop

pytestmark = pytest.mark.anyio


async def test_eight_requests_pass_in_each_turn_of_the_loop_in_order_of_arrival() -> None:
    turnstile, passed = Turnstile(), list[int]()

    async def passing(number: int) -> None:
        await turnstile.wait()
        passed.append(number)

    crowd = [asyncio.create_task(passing(number)) for number in range(5 * AT_ONCE)]
    counts = []
    while len(passed) < len(crowd):
        before = len(passed)
        await asyncio.sleep(0)
        counts.append(len(passed) - before)
    assert [count for count in counts if count] == [AT_ONCE] * 5
    assert passed == [*range(len(crowd))]


async def test_a_single_request_does_not_wait() -> None:
    """This holds after many others have passed too."""
    turnstile = Turnstile()
    await asyncio.gather(*(turnstile.wait() for _ in range(3 * AT_ONCE)))
    await asyncio.sleep(0)
    with pytest.raises(StopIteration):
        turnstile.wait().send(None)


async def test_a_cancelled_request_in_the_queue_does_not_delay_others() -> None:
    turnstile = Turnstile()
    crowd = [asyncio.create_task(turnstile.wait()) for _ in range(4 * AT_ONCE)]
    await asyncio.sleep(0)
    for waiting in crowd[AT_ONCE : 3 * AT_ONCE]:
        waiting.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait(crowd)
    assert sum(waiting.cancelled() for waiting in crowd) == 2 * AT_ONCE


@pytest.mark.parametrize(
    ("scope", "waits"),
    [
        ({"type": "http", "method": "GET", "path": "/kept"}, 0),
        ({"type": "http", "method": "POST", "path": "/kept"}, 1),
        ({"type": "http", "method": "GET", "path": "/other"}, 1),
        ({"type": "lifespan"}, 0),
    ],
)
async def test_requests_take_turns_except_for_gets_of_cached_paths(scope: dict[str, Any], waits: int) -> None:
    happened: list[str] = []

    class Counting(Turnstile):
        async def wait(self) -> None:
            happened.append("wait")

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        happened.append("answer")

    async def nothing(*_: object) -> Any:
        raise AssertionError

    await InTurn(app, turnstile=Counting(), except_paths=["/kept"])(scope, nothing, nothing)

    assert happened == ["wait"] * waits + ["answer"]


class Work:
    """Pieces that take a millisecond each by the clock of this class."""

    def __init__(self) -> None:
        self.milliseconds = 0
        self.made: list[bytes] = []
        self.slices = TimeSlices(lambda: self.milliseconds / 1000)

    def pieces(self, name: bytes, count: int) -> Iterator[bytes]:
        for _ in range(count):
            self.milliseconds += 1
            self.made.append(name)
            yield name


async def test_answers_are_made_in_turns_of_four_milliseconds() -> None:
    """A short answer does not wait for a long one."""
    work = Work()
    long, short = await asyncio.gather(
        work.slices.join(work.pieces(b"l", 11)), work.slices.join(work.pieces(b"s", 2))
    )
    assert (long, short) == (b"l" * 11, b"ss")
    assert b"".join(work.made) == b"llllsslllllll"


async def test_the_next_slice_comes_in_the_next_turn_of_the_loop() -> None:
    work = Work()
    joining = asyncio.create_task(work.slices.join(work.pieces(b"x", 11)))
    for made in (4, 8, 11):
        await asyncio.sleep(0)
        assert len(work.made) == made
    assert await joining == b"x" * 11


async def test_a_cancelled_answer_makes_no_further_piece() -> None:
    work = Work()
    joining = asyncio.create_task(work.slices.join(work.pieces(b"x", 1000)))
    await asyncio.sleep(0)
    joining.cancel()
    await asyncio.wait([joining])
    assert len(work.made) == 4
    assert await work.slices.join([b"a", b"b"]) == b"ab"
