"""What is kept of each Snapshot: the parts of the Keeper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import seconds_since_boot
from agent.state import names, seen
from agent.state.history import HistoryPart
from agent.state.idle import idle_part
from agent.state.keeper import Keeper
from agent.state.xids import XidsPart

if TYPE_CHECKING:
    from agent.sampling.history import History
    from agent.state.keeper import Part
    from agent.state.store import Store


def keeper(store: Store, history: History, *, boot: str, users: bool) -> Keeper:
    """All of them, written by `store`. `boot` is the id of this boot; `users`: whether names may be kept."""
    parts: list[Part] = [HistoryPart(history, seconds_since_boot()), idle_part(boot), seen.rows]
    if users:
        parts.append(names.rows)
    return Keeper(store.put, parts, urgent=[XidsPart(boot, users=users)])
