"""The parts of the Keeper: what it keeps of each Snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import seconds_since_boot
from agent.sampling.usage import UsageMeter
from agent.state import names, seen, usage
from agent.state.history import HistoryPart
from agent.state.idle import IdlePart
from agent.state.keeper import Keeper
from agent.state.xids import XidsPart

if TYPE_CHECKING:
    from agent.readings.restored import Restored
    from agent.sampling.history import History
    from agent.state.keeper import Part
    from agent.state.store import Store


def keeper(
    store: Store, history: History, restored: Restored, *, boot: str, users: bool, max_gap: float
) -> Keeper:
    """The Keeper with all parts, written by `store`, from which `restored` was read.

    `boot` is the id of this boot; `users`: whether users may be kept. If Snapshots are more than `max_gap`
    seconds apart, the time between is unknown.
    """
    meter = UsageMeter(max_gap)
    xids = XidsPart(boot, users=users)
    parts: list[Part] = [
        HistoryPart(history, seconds_since_boot()),
        xids.all,
        IdlePart(boot, restored.processes),
        seen.rows,
    ]
    parts.append(lambda _: usage.gpu_rows(meter.days(), store.run))
    if users:
        parts += [names.rows, lambda _: usage.user_rows(meter.days(), store.run)]
    # The meter counts with every Snapshot, and never has urgent rows.
    return Keeper(store.put, parts, urgent=[xids.changed, meter.update])
