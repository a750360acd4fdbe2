"""A task that several callers wait for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


class SharedTask(Generic[Result]):
    """Runs as long as a caller waits for it, and is cancelled when none is left.

    Its exception is raised in every caller.
    """

    def __init__(self, work: Coroutine[Any, Any, Result]) -> None:
        self._task = asyncio.create_task(work)
        self._waiting = 0

    @property
    def abandoned(self) -> bool:
        """Whether all callers left before it was done, so that it will have no result."""
        return self._task.cancelling() > 0 or self._task.cancelled()

    async def result(self, unless: asyncio.Future[Any]) -> Result | None:
        """Wait for the result; None if `unless` completes first.

        Cancelling one caller does not affect the others.
        """
        self._waiting += 1
        try:
            await asyncio.wait((self._task, unless), return_when=asyncio.FIRST_COMPLETED)
            return self._task.result() if self._task.done() else None
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._task.cancel()
