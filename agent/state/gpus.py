"""Each GPU by its UUID, once: other tables refer to it by its number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.state.subject import Rows, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from agent.readings import Snapshot
    from agent.state.subject import Row

CREATE = ("CREATE TABLE gpus (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE)",)


def rows(snapshot: Snapshot) -> Rows:
    """The GPUs of this Snapshot with a known UUID."""
    uuids = (gpu.identity.uuid for gpu in snapshot.gpus)
    return Rows(SUBJECT, tuple((uuid,) for uuid in uuids if uuid is not None))


def _write(connection: Connection, rows: Sequence[Row]) -> None:
    connection.executemany("INSERT INTO gpus (uuid) VALUES (?) ON CONFLICT DO NOTHING", rows)


SUBJECT = Subject("gpus", CREATE, _write)
