"""The only connection that writes: opened when there is something to write, and again when it has failed."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from agent.state.fault import trouble
from agent.state.file import open_file
from agent.state.folder import Refused
from agent.state.schema import SUBJECTS
from agent.state.subject import Ageing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.readings.state import StateTrouble
    from agent.state.subject import Batch

logger = logging.getLogger(__name__)

AGEING_PACE = 3600.0  # seconds; the first is with the first write, for an agent that keeps restarting
MAX_BATCHES = 60  # that wait until they can be written: an hour; then the oldest is lost


class Folder(Protocol):
    """What is needed of StateFolder."""

    path: Path

    def take(self) -> None: ...
    def release(self) -> None: ...
    @property
    def is_gone(self) -> bool: ...


class Writer:
    """Owned by one thread. `trouble` says what stands in the way, and `write` tries again each time."""

    def __init__(
        self,
        folder: Folder,
        name: str,
        *,
        days: int,
        boot: str,
        run: int,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trouble: StateTrouble | None = None
        self.written_at: float | None = None  # seconds since the epoch
        self.file_bytes: int | None = None
        self.failures = 0
        self.lost_batches = 0
        self._folder = folder
        self._path = folder.path / name
        self._days, self._boot, self._run = days, boot, run
        self._now, self._clock = now, clock
        self._connection: sqlite3.Connection | None = None
        self._pending: deque[Batch] = deque()
        self._ageing_due = clock()

    def open(self) -> sqlite3.Connection | None:
        """The connection; None where there is none, see `trouble`."""
        try:
            return self._open()
        except (OSError, sqlite3.Error, Refused) as error:
            self._fail(error)
            return None

    def write(self, batch: Batch) -> None:
        """This batch, and those that could not be written before it, in one transaction."""
        self._pending.append(batch)
        while len(self._pending) > MAX_BATCHES:
            self._pending.popleft()
            self.lost_batches += 1
        try:
            self._write_all(self._open())
        except Exception as error:
            if _is_of_the_file(error):
                self._fail(error)
                return
            # A fault of ours: it would be the same with these rows each time.
            logger.exception("Writing to STATE_DIR failed")
            self.lost_batches += len(self._pending)
            self._pending.clear()
            self._close()
        else:
            self._succeed()

    def close(self) -> None:
        """End with the connection; another agent may have the folder."""
        self._close()
        self._folder.release()

    def _open(self) -> sqlite3.Connection:
        if self._folder.is_gone:  # SQLite would go on in a file that nobody sees
            self._close()
            self._folder.release()
            self._folder.take()
        if self._connection is None:
            self._connection = open_file(self._path)
        return self._connection

    def _write_all(self, connection: sqlite3.Connection) -> None:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for batch in self._pending:
                for subject, rows in batch:
                    subject.write(connection, rows)
            if self._clock() >= self._ageing_due:
                self._age(connection)
        self._pending.clear()
        parts = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        self.file_bytes = sum(part.stat().st_size for part in parts)

    def _age(self, connection: sqlite3.Connection) -> None:
        ageing = Ageing(self._now(), self._days, self._boot, self._run)
        for subject in SUBJECTS:
            if subject.age is not None:
                subject.age(connection, ageing)
        self._ageing_due = self._clock() + AGEING_PACE

    def _succeed(self) -> None:
        if self.trouble is not None:
            logger.info("STATE_DIR can be written again")
        self.trouble, self.written_at = None, self._now()

    def _fail(self, error: Exception) -> None:
        before, self.trouble = self.trouble, trouble(self._folder.path, error)
        self.failures += 1
        if before is None or before.fault is not self.trouble.fault:
            logger.warning(
                "%s; the agent keeps its history in memory until it can write again", self.trouble.sentence
            )
        self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _is_of_the_file(error: Exception) -> bool:
    """Whether the same rows may be written another time."""
    ours = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.InterfaceError)
    return isinstance(error, (OSError, sqlite3.Error, Refused)) and not isinstance(error, ours)
