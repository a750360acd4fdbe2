"""The XIDs of each GPU, until the machine boots again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import Blamed, XidSource
from agent.readings.restored import KeptXid
from agent.state.subject import Rows, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from agent.readings import Snapshot, XidCount
    from agent.state.subject import Ageing, Row

CREATE = (
    """
    CREATE TABLE xids (
        boot TEXT, gpu INTEGER, code INTEGER, times INTEGER, last_at REAL, last_since_boot REAL, source TEXT,
        blamed_pid INTEGER, blamed_name TEXT, blamed_user TEXT, was_reset INTEGER,
        PRIMARY KEY (boot, gpu, code)
    ) WITHOUT ROWID
    """,
)


class XidsPart:
    """Writes all known XIDs, because the file may be replaced at any time.

    `users`: whether names of users may be kept.
    """

    def __init__(self, boot: str, *, users: bool) -> None:
        self._boot = boot
        self._users = users
        self._known: dict[tuple[str, int], XidCount] = {}
        self._rows: dict[tuple[str, int], Row] = {}  # of GPUs that are gone, as last reported

    def all(self, snapshot: Snapshot) -> Rows | None:
        """Each of them."""
        self._take_in(snapshot)
        return Rows(SUBJECT, tuple(self._rows.values())) if self._rows else None

    def changed(self, snapshot: Snapshot) -> Rows | None:
        """All XIDs, if one is new or has happened again since the last call of either method."""
        return self.all(snapshot) if self._take_in(snapshot) else None

    def _take_in(self, snapshot: Snapshot) -> bool:
        """Returns whether anything has changed."""
        if not self._boot:
            return False
        now = {
            (gpu.identity.uuid, code): seen
            for gpu in snapshot.gpus
            if gpu.identity.uuid is not None
            for code, seen in (gpu.xids or {}).items()
        }
        changes = {key: seen for key, seen in now.items() if seen != self._known.get(key)}
        self._known |= changes
        self._rows |= {key: self._row(snapshot, *key, seen) for key, seen in changes.items()}
        return bool(changes)

    def _row(self, snapshot: Snapshot, uuid: str, code: int, seen: XidCount) -> Row:
        blamed = seen.blamed or Blamed(None, None)
        return (
            self._boot,
            uuid,
            code,
            seen.times,
            seen.last_at,
            seen.last_at - snapshot.booted_at,
            seen.source.value,
            blamed.pid,
            blamed.name,
            blamed.username if self._users else None,
            seen.was_reset,
        )


def restore(connection: Connection, boot: str) -> dict[str, dict[int, KeptXid]]:
    """Those of this boot, by GPU UUID and code."""
    found: dict[str, dict[int, KeptXid]] = {}
    for uuid, code, times, last, source, pid, name, user, was_reset in connection.execute(
        "SELECT uuid, code, times, last_since_boot, source, blamed_pid, blamed_name, blamed_user, was_reset"
        " FROM xids JOIN gpus ON id = gpu WHERE boot = ? AND boot != ''",
        (boot,),
    ):
        blamed = Blamed(pid, name, user) if pid is not None or name is not None else None
        found.setdefault(uuid, {})[code] = KeptXid(times, last, XidSource(source), blamed, bool(was_reset))
    return found


def forget_users(connection: Connection) -> None:
    """Their names."""
    connection.execute("UPDATE xids SET blamed_user = NULL")


def _write(connection: Connection, rows: Sequence[Row]) -> None:
    # A process that could not read them at its start must not overwrite earlier counts.
    connection.executemany(
        "INSERT INTO xids VALUES (?, (SELECT id FROM gpus WHERE uuid = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET times = max(times, excluded.times), last_at = excluded.last_at,"
        " last_since_boot = excluded.last_since_boot, source = excluded.source,"
        " blamed_pid = excluded.blamed_pid, blamed_name = excluded.blamed_name,"
        " blamed_user = excluded.blamed_user, was_reset = excluded.was_reset"
        " WHERE excluded.last_since_boot >= last_since_boot - 1",  # of the same: the clock is read twice
        rows,
    )


def _age(connection: Connection, ageing: Ageing) -> None:
    connection.execute("DELETE FROM xids WHERE boot != ?", (ageing.boot,))


SUBJECT = Subject("xids", CREATE, _write, _age)
