"""The last known name of each user, for times when the user directory does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.state.subject import DAY_SECONDS, Rows, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from agent.readings import Snapshot
    from agent.state.subject import Ageing, Row

CREATE = ("CREATE TABLE names (uid INTEGER PRIMARY KEY, name TEXT, seen_at REAL)",)


def rows(snapshot: Snapshot) -> Rows | None:
    """The users of this Snapshot whose names are known."""
    names = {
        host.uid: host.username
        for host in snapshot.host_processes.values()
        if host.uid is not None and host.username is not None
    }
    return Rows(SUBJECT, tuple((uid, name, snapshot.taken_at) for uid, name in names.items()))


def restore(connection: Connection) -> dict[int, str]:
    """By user number."""
    return dict(connection.execute("SELECT uid, name FROM names"))


def forget(connection: Connection) -> None:
    """All of them."""
    connection.execute("DELETE FROM names")


def _write(connection: Connection, rows: Sequence[Row]) -> None:
    connection.executemany("INSERT OR REPLACE INTO names VALUES (?, ?, ?)", rows)


def _age(connection: Connection, ageing: Ageing) -> None:
    # A name is kept as long as its user has hours in the file, whatever the clock.
    connection.execute(
        "DELETE FROM names WHERE seen_at < ? AND uid NOT IN (SELECT uid FROM user_days)",
        (ageing.now - ageing.days * DAY_SECONDS,),
    )


SUBJECT = Subject("names", CREATE, _write, _age)
