"""A short queue runs one answer at a time, and an abandoned answer that fails is no news."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from agent.state.short_queue import ShortQueue

pytestmark = pytest.mark.anyio


class Busy(Exception):
    """A request that is refused."""


class Work:
    """Fails when the test lets it end."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> None:
        self.has_begun.set()
        self.may_end.wait(10)
        raise LookupError("unforeseen")


def queue(*, patience: float = 10.0) -> ShortQueue:
    return ShortQueue(Busy, most=1, full="full", late="late", patience=patience)


def test_the_queue_has_one_thread() -> None:
    assert queue().limiter.total_tokens == 1


async def test_a_request_that_fails_makes_room_for_the_next() -> None:
    one, fail = queue(), Work()
    fail.may_end.set()
    for _ in range(3):
        with pytest.raises(LookupError):
            await one.run(fail)


async def test_a_request_is_refused_if_too_many_wait_or_if_it_waits_too_long() -> None:
    for patience, refused in ((10.0, "full"), (0.01, "late")):
        one, work = queue(patience=patience), Work()
        first = asyncio.create_task(one.run(work))
        await asyncio.to_thread(work.has_begun.wait, 10)
        waiting = asyncio.create_task(one.run(lambda: "in turn")) if refused == "full" else None
        await asyncio.sleep(0)
        with pytest.raises(Busy, match=refused):
            await one.run(lambda: "refused")
        work.may_end.set()
        with pytest.raises(LookupError):
            await first
        assert waiting is None or await waiting == "in turn"


async def test_an_abandoned_answer_that_fails_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    one, work = queue(), Work()
    abandoned = asyncio.create_task(one.run(work))
    await asyncio.to_thread(work.has_begun.wait, 10)
    abandoned.cancel()
    with pytest.raises(asyncio.CancelledError):
        await abandoned
    work.may_end.set()
    assert await one.run(lambda: "the next") == "the next"
    gc.collect()
    assert caplog.messages == []
