"""Combines XIDs of the previous run with those of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import XidCount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.readings.restored import KeptXid


def with_restored(
    own: Mapping[int, XidCount],
    restored: Mapping[int, KeptXid],
    logged_before: Mapping[int, int],
    booted_at: float,
    reset_at: float | None,
) -> dict[int, XidCount]:
    """The XIDs of one GPU by code, each of them counted once.

    `logged_before`: how often the kernel log had each code before this agent listened. The agent before this
    one counted the same lines, and this one those too that were written while none ran: the greater holds.
    `booted_at` makes the time of day of a moment since boot, as which `reset_at` is given.
    """
    xids = dict(own)
    for code, kept in restored.items():
        ended = kept.was_reset or (reset_at is not None and kept.last_since_boot < reset_at)
        last = XidCount(
            kept.times, booted_at + kept.last_since_boot, kept.source, kept.blamed, ended, kept.times
        )
        mine = own.get(code)
        if mine is None:
            xids[code] = last
            continue
        unknown_here = max(0, kept.times - logged_before.get(code, 0))
        newest = mine if mine.last_at >= last.last_at else last
        xids[code] = newest._replace(
            times=mine.times + unknown_here, source=mine.source, restored=unknown_here
        )
    return xids
