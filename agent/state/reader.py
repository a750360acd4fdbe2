"""Queries of the file: each on a read-only connection of its own, one at a time, and few wait."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, to_thread

from agent.state.file import code_of, open_to_read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

MAX_WAITING = 4
PATIENCE = 1.0  # seconds that each waits for its turn
QUERY_SECONDS = 5.0  # that a question takes at most
STEPS = 10_000  # of SQLite's machine, from one look at the clock to the next


class StoreBusy(Exception):
    """Too many ask, or the disk is too slow; the same question may be answered later."""


class StoreUnreadable(Exception):
    """There is no file, or it cannot be read now."""


class Reader:
    """Lives on the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        self._thread = CapacityLimiter(1)
        self._waiting = 0

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` finds. Raises StoreBusy and StoreUnreadable."""
        await self._wait()
        try:
            return await to_thread.run_sync(self._ask, query, limiter=self._thread)
        finally:
            self._turn.release()

    async def _wait(self) -> None:
        """For one's turn."""
        if self._waiting >= MAX_WAITING:
            raise StoreBusy(f"{MAX_WAITING} requests wait for the file in STATE_DIR; try again later")
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turn.acquire()
        except TimeoutError:
            raise StoreBusy("The file in STATE_DIR is busy; try again later") from None
        finally:
            self._waiting -= 1

    def _ask(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """In a thread."""
        deadline = time.monotonic() + QUERY_SECONDS
        try:
            connection = open_to_read(self._path)
            try:
                connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
                return query(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            if code_of(error) in (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY):
                raise StoreBusy("The file in STATE_DIR takes too long; try again later") from error
            raise StoreUnreadable("The file in STATE_DIR cannot be read now") from error
