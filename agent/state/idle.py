"""How long each process on a GPU has been idle, so that a restart does not begin its time anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings.restored import KeptProcess
from agent.state.subject import Rows, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from sqlite3 import Connection

    from agent.readings import Snapshot
    from agent.state.subject import Row

# Replaced as a whole: what is not among the newest rows is gone.
CREATE = (
    """
    CREATE TABLE idle (
        boot TEXT, gpu INTEGER, pid INTEGER, start_ticks INTEGER, first_seen_since_boot REAL,
        idle_seconds REAL, at REAL, PRIMARY KEY (gpu, pid)
    ) WITHOUT ROWID
    """,
)


def idle_part(boot: str) -> Callable[[Snapshot], Rows | None]:
    """The rows of each process whose start is known, and whether it works."""

    def rows(snapshot: Snapshot) -> Rows | None:
        ledger = snapshot.ledger
        if ledger is None or not boot:
            return None
        hosts = snapshot.host_processes
        found: list[Row] = []
        for (uuid, pid), use in ledger.processes.items():
            host = hosts.get(pid)
            if host is not None and host.start_ticks is not None and use.idle_seconds is not None:
                first_seen = use.first_seen_at - snapshot.booted_at
                found.append(
                    (boot, uuid, pid, host.start_ticks, first_seen, use.idle_seconds, snapshot.taken_at)
                )
        return Rows(SUBJECT, tuple(found))

    return rows


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
