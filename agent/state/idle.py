"""The idle time of each process on a GPU, so that it continues after a short restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings.restored import KeptProcess
from agent.state.subject import Rows, Subject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from sqlite3 import Connection

    from agent.readings import Snapshot
    from agent.state.subject import Row

# Replaced as a whole: processes that are not among the newest rows are gone. `idle_seconds` are those up to
# `at`, when it was last observed; null: it worked then, or it is unknown whether it did.
CREATE = (
    """
    CREATE TABLE idle (
        boot TEXT, gpu INTEGER, pid INTEGER, start_ticks INTEGER, first_seen_since_boot REAL,
        idle_seconds REAL, at REAL, PRIMARY KEY (gpu, pid)
    ) WITHOUT ROWID
    """,
)


class IdlePart:
    """The rows of each process with a known start.

    A process that a Snapshot does not report is kept as it was last, or as restored.
    """

    def __init__(self, boot: str, known: Mapping[tuple[str, int], KeptProcess]) -> None:
        """`known`: by GPU UUID and pid, what was restored."""
        self._boot = boot
        self._known = dict(known)

    def __call__(self, snapshot: Snapshot) -> Rows | None:
        """All of them, as of this Snapshot."""
        ledger = snapshot.ledger
        if ledger is None or not self._boot:
            return None
        readings = {gpu.identity.uuid: gpu.reading for gpu in snapshot.gpus if gpu.reading is not None}
        listed = {
            uuid: {process.pid for process in reading.processes}
            for uuid, reading in readings.items()
            if reading.processes is not None
        }
        known = {
            (uuid, pid): one for (uuid, pid), one in self._known.items() if pid in listed.get(uuid, {pid})
        }
        for (uuid, pid), use in ledger.processes.items():
            # What the host does not report at the moment is as before.
            described = (snapshot.host_processes.get(pid), known.get((uuid, pid)))
            starts = [one.start_ticks for one in described if one is not None and one.start_ticks is not None]
            if starts and uuid in readings:
                first_seen = use.first_seen_at - snapshot.booted_at
                since = snapshot.taken_since_boot - use.idle_seconds if use.idle_seconds else None
                read_at = readings[uuid].sampled_since_boot
                known[uuid, pid] = KeptProcess(starts[0], first_seen, read_at, since)
        self._known = known
        rows = (self._row(uuid, pid, one, snapshot.booted_at) for (uuid, pid), one in known.items())
        return Rows(SUBJECT, tuple(rows))

    def _row(self, uuid: str, pid: int, one: KeptProcess, booted_at: float) -> Row:
        idle = None if one.idle_since is None else one.observed_at - one.idle_since
        return (self._boot, uuid, pid, one.start_ticks, one.first_seen, idle, booted_at + one.observed_at)


def restore(
    connection: Connection, boot: str, *, now: float, since_boot: float
) -> dict[tuple[str, int], KeptProcess]:
    """Those of this boot, by GPU UUID and pid. `now`, since the epoch, is the same moment as `since_boot`.

    If the clock was set back meanwhile, it is unknown how long ago they were observed.
    """
    return {
        (uuid, pid): KeptProcess(
            start_ticks, first_seen, at, None if idle is None or at > since_boot else at - idle
        )
        for uuid, pid, start_ticks, first_seen, idle, at in connection.execute(
            "SELECT uuid, pid, start_ticks, first_seen_since_boot, idle_seconds, at - ?"
            " FROM idle JOIN gpus ON id = gpu WHERE boot = ? AND boot != ''",
            (now - since_boot, boot),
        )
    }


def _write(connection: Connection, rows: Sequence[Row]) -> None:
    connection.execute("DELETE FROM idle")
    connection.executemany(
        "INSERT INTO idle VALUES (?, (SELECT id FROM gpus WHERE uuid = ?), ?, ?, ?, ?, ?)", rows
    )


SUBJECT = Subject("idle", CREATE, _write)
