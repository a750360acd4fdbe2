"""The only connection that writes: opened at the first write, and again after a failure."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from agent.readings.state import StateFault
from agent.state.fault import refused_rows, trouble
from agent.state.file import identity, open_file
from agent.state.forget import forget_users
from agent.state.subject import Ageing
from agent.state.transaction import write

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agent.readings.state import StateTrouble
    from agent.state.subject import Batch

logger = logging.getLogger(__name__)

AGEING_PACE = 3600.0  # seconds; the first time with the first write, for an agent that keeps restarting
MAX_BATCHES = 60  # batches that wait until they can be written: an hour; then the oldest is dropped


class Folder(Protocol):
    """The interface of StateFolder."""

    path: Path

    def take(self) -> None: ...
    def release(self) -> None: ...
    @property
    def is_gone(self) -> bool: ...


class Writer:
    """Owned by one thread. `trouble` says why writing fails, and `write` tries again each time."""

    def __init__(
        self,
        folder: Folder,
        name: str,
        *,
        days: int,
        boot: str,
        run: int,
        users: bool,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trouble: StateTrouble | None = None
        self.written_at: float | None = None  # all that there was, in seconds since the epoch
        self.file_bytes: int | None = None
        self.failures = 0
        self.lost_batches = 0
        self._folder = folder
        self._path = folder.path / name
        self._days, self._boot, self._run, self._users = days, boot, run, users
        self._now, self._clock = now, clock
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None  # which file
        self._pending: deque[Batch] = deque()
        self._urgent: Batch = ()
        self._ageing_due = clock()

    def open(self) -> sqlite3.Connection | None:
        """The connection; None on failure, see `trouble`."""
        try:
            return self._open()
        except Exception as error:
            self._fail(error)
            return None

    def write(self, batch: Batch, urgent: Batch = ()) -> None:
        """Write these batches, and those that could not be written before.

        An urgent batch includes the earlier ones.
        """
        if batch:
            self._pending.append(batch)
        while len(self._pending) > MAX_BATCHES:
            self._pending.popleft()
            self.lost_batches += 1
        self._urgent = urgent or self._urgent
        try:
            faults = self._write_all(self._open())
        except Exception as error:
            self._fail(error)
        else:
            self._succeed(faults)

    def close(self) -> None:
        """Close the connection, and release the folder for another agent."""
        self._close()
        self._folder.release()

    def _open(self) -> sqlite3.Connection:
        if self._folder.is_gone:  # SQLite would continue in a deleted file
            self._close()
            self._folder.release()
            self._folder.take()
        elif self._connection is not None and identity(self._path) != self._opened:
            logger.warning("STATE_DIR has another file, or none, in the place of %s", self._path)
            self._close()
        if self._connection is None:
            self._connection, self._opened = open_file(self._path), identity(self._path)
            if not self._users:
                forget_users(self._connection)
        return self._connection

    def _write_all(self, connection: sqlite3.Connection) -> Mapping[str, Exception]:
        is_due = self._clock() >= self._ageing_due
        ageing = Ageing(self._now(), self._days, self._boot, self._run) if is_due else None
        faults = write(connection, [*self._pending, self._urgent], ageing)
        if is_due:
            self._ageing_due = self._clock() + AGEING_PACE
        parts = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        self.file_bytes = sum(part.stat().st_size for part in parts if part.exists())
        return faults

    def _succeed(self, faults: Mapping[str, Exception]) -> None:
        """Record success, possibly without the rows that failed."""
        count = len(self._pending)
        self._pending.clear()
        self._urgent = ()
        if faults:
            self.lost_batches += count
            self._note_trouble(refused_rows(self._folder.path, faults), next(iter(faults.values())))
            return
        if self.trouble is not None:
            logger.info("STATE_DIR can be written again")
        self.trouble = None
        if count:
            self.written_at = self._now()

    def _fail(self, error: Exception) -> None:
        self.failures += 1
        self._note_trouble(trouble(self._folder.path, error), error)
        self._close()

    def _note_trouble(self, found: StateTrouble, error: Exception) -> None:
        """Log the trouble once, with a traceback if it is a bug."""
        before, self.trouble = self.trouble, found
        if before is None or before.fault is not found.fault:
            logger.warning(
                "%s; the agent keeps its history in memory until it can write again",
                found.sentence,
                exc_info=error if found.fault is StateFault.FAILED else None,
            )

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
