"""All that the agent before this one remembered, out of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings.restored import Restored
from agent.state import history, idle, names, seen, usage, xids

if TYPE_CHECKING:
    from sqlite3 import Connection


def restore(connection: Connection, *, now: float, since_boot: float, boot: str, users: bool) -> Restored:
    """`now`, seconds since the epoch, is the same moment as `since_boot`; `boot` is the id of this boot.

    `users`: whether names of users may be kept; those of before are deleted where not.
    """
    if not users:
        names.forget(connection)
        usage.forget_users(connection)
        xids.forget_users(connection)
    gpu_count, cards = seen.restore(connection, now)
    return Restored(
        history=history.restore(connection, now, now - since_boot),
        xids=xids.restore(connection, boot),
        processes=idle.restore(connection, boot),
        gpu_count=gpu_count,
        cards=cards,
        user_names=names.restore(connection),
    )
