"""The idle time of each process on a GPU, so that it continues after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings.restored import KeptProcess
from agent.state.subject import Rows, Subject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from sqlite3 import Connection

    from agent.readings import Snapshot
    from agent.state.subject import Row

# Replaced as a whole: processes that are not among the newest rows are gone.
CREATE = (
    """
    CREATE TABLE idle (
        boot TEXT, gpu INTEGER, pid INTEGER, start_ticks INTEGER, first_seen_since_boot REAL,
        idle_seconds REAL, at REAL, PRIMARY KEY (gpu, pid)
    ) WITHOUT ROWID
    """,
)


class IdlePart:
    """The rows of each process with a known start and a known idle time.

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
        listed = {
            gpu.identity.uuid: {process.pid for process in gpu.reading.processes}
            for gpu in snapshot.gpus
            if gpu.reading is not None and gpu.reading.processes is not None
        }
        known = {
            (uuid, pid): one for (uuid, pid), one in self._known.items() if pid in listed.get(uuid, {pid})
        }
        for (uuid, pid), use in ledger.processes.items():
            host = snapshot.host_processes.get(pid)
            if host is not None and host.start_ticks is not None and use.idle_seconds is not None:
                first_seen = use.first_seen_at - snapshot.booted_at
                known[uuid, pid] = KeptProcess(host.start_ticks, first_seen, use.idle_seconds)
        self._known = known
        return Rows(
            SUBJECT,
            tuple((self._boot, uuid, pid, *one, snapshot.taken_at) for (uuid, pid), one in known.items()),
        )


def restore(connection: Connection, boot: str) -> dict[tuple[str, int], KeptProcess]:
    """Those of this boot, by GPU UUID and pid."""
    return {
        (uuid, pid): KeptProcess(start_ticks, first_seen, idle)
        for uuid, pid, start_ticks, first_seen, idle in connection.execute(
            "SELECT uuid, pid, start_ticks, first_seen_since_boot, idle_seconds"
            " FROM idle JOIN gpus ON id = gpu WHERE boot = ? AND boot != ''",
            (boot,),
        )
    }


def _write(connection: Connection, rows: Sequence[Row]) -> None:
    connection.execute("DELETE FROM idle")
    connection.executemany(
        "INSERT INTO idle VALUES (?, (SELECT id FROM gpus WHERE uuid = ?), ?, ?, ?, ?, ?)", rows
    )


SUBJECT = Subject("idle", CREATE, _write)
