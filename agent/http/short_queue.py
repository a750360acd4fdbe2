"""Answers that take long to make: one at a time, in a thread of their own, and few wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, to_thread

from agent.http.errors import TryAgainLater

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_WAITING = 4
PATIENCE = 2.0  # seconds that each waits for its turn


class ShortQueue:
    """Lives on the event loop. `limiter` is of its thread, for what else is made of these answers."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self.limiter = CapacityLimiter(1)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, in the thread. Raises TryAgainLater where too many wait, or for too long."""
        if self._waiting >= MAX_WAITING:
            raise TryAgainLater(f"{MAX_WAITING} requests wait for an answer as long; try again later")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._turn.acquire()
        except TimeoutError:
            raise TryAgainLater("Answers as long take too much time now; try again later") from None
        finally:
            self._waiting -= 1
        try:
            return await to_thread.run_sync(work, limiter=self.limiter)
        finally:
            self._turn.release()
