"""Queries of the file: each on a read-only connection of its own, one at a time, and few wait."""

from __future__ import annotations

import sqlite3
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from agent.state.file import code_of, open_to_read
from agent.state.short_queue import ShortQueue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

PATIENCE = 1.0  # seconds that each waits for its turn
MAX_WAITING = 4  # requests
QUERY_SECONDS = 5.0  # seconds that a query may take
STEPS = 10_000  # instructions of SQLite's virtual machine between two checks of the clock


class StoreBusy(Exception):
    """Too many queries wait, or the disk is too slow; the same query may succeed later."""


class StoreUnreadable(Exception):
    """There is no file, or it cannot be read now."""


class Reader:
    """Lives on the event loop."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._queue = ShortQueue(
            StoreBusy,
            most=MAX_WAITING,
            full=f"{MAX_WAITING} requests wait for the file in STATE_DIR; try again later",
            late="The file in STATE_DIR is busy; try again later",
            patience=PATIENCE,
        )

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `query`. Raises StoreBusy and StoreUnreadable."""
        return await self._queue.run(partial(self._run, query))

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Runs in a thread."""
        deadline = self._clock() + QUERY_SECONDS
        try:
            connection = open_to_read(self._path)
            try:
                connection.set_progress_handler(lambda: self._clock() > deadline, STEPS)
                return query(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            if code_of(error) in (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY):
                raise StoreBusy("The file in STATE_DIR takes too long; try again later") from error
            raise StoreUnreadable("The file in STATE_DIR cannot be read now") from error
