"""STATE_USERS=0: removes all data about single users from the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.state import names, usage, xids

if TYPE_CHECKING:
    from sqlite3 import Connection


def forget_users(connection: Connection) -> None:
    """Delete names and hours, also in the write-ahead log; `secure_delete` overwrites the file's."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for forget in (names.forget, usage.forget_users, xids.forget_users):
            forget(connection)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
