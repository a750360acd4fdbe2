"""The state of the previous run, from the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings.restored import Restored
from agent.state import history, idle, names, seen, xids

if TYPE_CHECKING:
    from sqlite3 import Connection


def restore(connection: Connection, *, now: float, since_boot: float, boot: str) -> Restored:
    """`now`, seconds since the epoch, is the same moment as `since_boot`; `boot` is the id of this boot."""
    gpu_count, cards = seen.restore(connection, now)
    return Restored(
        history=history.restore(connection, now, now - since_boot),
        xids=xids.restore(connection, boot),
        processes=idle.restore(connection, boot, now=now, since_boot=since_boot),
        gpu_count=gpu_count,
        cards=cards,
        user_names=names.restore(connection),
    )
