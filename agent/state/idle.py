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

CREATE = (
    """
    CREATE TABLE idle (
        boot TEXT, gpu INTEGER, pid INTEGER, start_ticks INTEGER, first_seen_since_boot REAL,
        idle_seconds REAL, at REAL, PRIMARY KEY (gpu, pid)
    ) WITHOUT ROWID
    """,
)
_WHOLE = 7  # columns of a row in the file


def idle_part(boot: str) -> Callable[[Snapshot], Rows | None]:
    """A row of each process on the GPUs that tell theirs, and one without a pid of each such GPU.

    Of a process of which it is not known yet when it began, or whether it works, the row ends with its pid.
    """

    def rows(snapshot: Snapshot) -> Rows | None:
        ledger = snapshot.ledger
        if ledger is None or not boot:
            return None
        hosts = snapshot.host_processes
        found: list[Row] = [
            (boot, gpu.identity.uuid, None)
            for gpu in snapshot.gpus
            if gpu.identity.uuid is not None and gpu.reading is not None and gpu.reading.processes is not None
        ]
        for (uuid, pid), use in ledger.processes.items():
            host = hosts.get(pid)
            first_seen = use.first_seen_at - snapshot.booted_at
            if host is None or host.start_ticks is None or use.idle_seconds is None:
                found.append((boot, uuid, pid))
            else:
                found.append(
                    (boot, uuid, pid, host.start_ticks, first_seen, use.idle_seconds, snapshot.taken_at)
                )
        return Rows(SUBJECT, tuple(found)) if found else None

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
    # A process that is there, and of which nothing is known yet, keeps what an agent before this one knew.
    listed = {(uuid, pid) for _, uuid, pid, *_ in rows}
    told = {uuid for _, uuid, _, *_ in rows}
    connection.executemany("DELETE FROM idle WHERE boot != ?", {(boot,) for boot, *_ in rows})
    known = connection.execute("SELECT uuid, gpu, pid FROM idle JOIN gpus ON id = gpu").fetchall()
    connection.executemany(
        "DELETE FROM idle WHERE gpu = ? AND pid = ?",
        [(gpu, pid) for uuid, gpu, pid in known if uuid in told and (uuid, pid) not in listed],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO idle VALUES (?, (SELECT id FROM gpus WHERE uuid = ?), ?, ?, ?, ?, ?)",
        [row for row in rows if len(row) == _WHOLE],
    )


SUBJECT = Subject("idle", CREATE, _write)
