"""The JSON of one Snapshot, of which each GPU's part is made once for all answers and events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.gpu import GpuJson
from agent.views.processes import ProcessesJson
from agent.views.status import StatusJson

if TYPE_CHECKING:
    from agent.derive.activity import Thresholds
    from agent.readings import Snapshot


class SnapshotJson:
    """Each of `gpu`, `status` and `processes` gives the pieces of one answer."""

    def __init__(self, snapshot: Snapshot, thresholds: Thresholds, idle_holder_seconds: float) -> None:
        self.snapshot = snapshot
        self.gpu = GpuJson(snapshot, thresholds)
        self.status = StatusJson(snapshot)
        self.processes = ProcessesJson(snapshot, idle_holder_seconds)
        self.events: dict[frozenset[int] | None, bytes] = {}  # of the stream, by GPU indices
