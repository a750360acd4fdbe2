"""A short queue for slow answers: one at a time, in a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter

from agent.readings.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class ShortQueue:
    """Lives on the event loop. `limiter` is of its thread, for what else is made of these answers.

    `refusal` makes the error of a refused request: with `full` if `most` wait already, with `late` after
    `patience` seconds.
    """

    def __init__(
        self, refusal: Callable[[str], Exception], *, most: int, full: str, late: str, patience: float
    ) -> None:
        self._refusal = refusal
        self._most = most
        self._full, self._late = full, late
        self._patience = patience
        self.limiter = CapacityLimiter(1)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, which runs in the thread. Raises the refusal, or NoThread."""
        if self._waiting >= self._most:
            raise self._refusal(self._full)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._turn.acquire()
        except TimeoutError:
            raise self._refusal(self._late) from None
        finally:
            self._waiting -= 1
        working = asyncio.ensure_future(in_thread(work, limiter=self.limiter))
        working.add_done_callback(self._ended)
        return await asyncio.shield(working)  # a thread goes on although nobody waits for it any more

    def _ended(self, working: asyncio.Future[T]) -> None:
        self._turn.release()
        if not working.cancelled():
            working.exception()  # perhaps nobody waits for it
