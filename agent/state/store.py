"""The interface of the file for the event loop: batches in, query results out; a thread writes."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from agent.readings.state import StateFault, StateReading, StateTrouble
from agent.state.reader import Reader
from agent.state.writer import MAX_BATCHES, Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

    from agent.state.subject import Batch
    from agent.state.writer import Folder

logger = logging.getLogger(__name__)

T = TypeVar("T")

SLOW_SECONDS = 5.0  # that one write takes at most before the disk counts as slow
START_SECONDS = 5.0  # that the start of the agent waits for what is in the file
END_SECONDS = 0.5  # that its end waits for the last write


class Store:
    """Used from `start` to `close`. Lives on the event loop; the connection belongs to its thread.

    `days`: STATE_DAYS; `boot`: the id of this boot; `users`: STATE_USERS.
    """

    def __init__(
        self,
        folder: Folder,
        name: str,
        *,
        days: int,
        boot: str,
        users: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.boot = boot
        # Unique among all processes on this folder; below 0: it keeps no hours of users.
        self.run = time.time_ns() if users else -time.time_ns()
        self._folder = folder
        self._clock = clock
        self._writer = Writer(folder, name, days=days, boot=boot, run=self.run, users=users, clock=clock)
        self._reader = Reader(folder.path / name, clock=clock)
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()  # an empty one wakes the thread
        self._urgent: deque[Batch] = deque(maxlen=1)
        self._busy_since: float | None = None  # seconds of the clock
        self._dropped = 0  # batches that the thread has not started yet
        self._thread: threading.Thread | None = None

    async def start(self, restore: Callable[[Connection], T]) -> T | None:
        """Start; returns what `restore` reads; None if the file cannot be read, or not in time."""
        loop = asyncio.get_running_loop()
        restored: asyncio.Future[T | None] = loop.create_future()

        def set_restored(what: T | None) -> None:
            if not restored.done():
                restored.set_result(what)

        def work() -> None:
            found = self._restore(restore)
            try:
                loop.call_soon_threadsafe(set_restored, found)
            except RuntimeError:  # the loop is closed: the agent has ended meanwhile
                return
            self._work()

        self._thread = threading.Thread(target=work, name="state", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(START_SECONDS):
                return await restored
        except TimeoutError:
            logger.warning(
                "STATE_DIR does not answer in time: the agent starts without the values kept there"
            )
            return None

    def put(self, batch: Batch, *, urgent: bool = False) -> None:
        """Write these rows, without waiting.

        Of urgent batches that still wait, only the newest is written.
        """
        if urgent:
            self._urgent.append(batch)
            if self._queue.empty():
                self._queue.put(())
        elif self._queue.qsize() < MAX_BATCHES:
            self._queue.put(batch)
        else:
            self._dropped += 1

    async def read(self, query: Callable[[Connection], T]) -> T:
        """The result of `query`, which runs in a thread. Raises StoreBusy, and StoreUnreadable."""
        return await self._reader.read(query)

    @property
    def reading(self) -> StateReading:
        """The condition of the store."""
        writer, busy_since = self._writer, self._busy_since
        trouble = writer.trouble
        if busy_since is not None and self._clock() - busy_since >= SLOW_SECONDS:
            silence = f"has not answered for {self._clock() - busy_since:.0f} s"
            trouble = StateTrouble(StateFault.SLOW, f"STATE_DIR {str(self._folder.path)!r} {silence}")
        return StateReading(
            trouble,
            writer.written_at,
            writer.file_bytes,
            writer.failures,
            writer.lost_batches + self._dropped,
        )

    def close(self) -> bool:
        """Write what was put, and end; returns whether it ended in time."""
        if self._thread is None:
            self._folder.release()
            return True
        self._queue.put(None)
        self._thread.join(END_SECONDS)
        return not self._thread.is_alive()

    def _restore(self, restore: Callable[[Connection], T]) -> T | None:
        self._busy_since = self._clock()
        try:
            connection = self._writer.open()
            return None if connection is None else restore(connection)
        except Exception:  # the restored state is lost, but the agent starts
            logger.exception("Reading STATE_DIR failed")
            return None
        finally:
            self._busy_since = None

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            self._busy_since = self._clock()
            self._writer.write(batch, self._urgent.pop() if self._urgent else ())
            self._busy_since = None
        self._writer.close()
