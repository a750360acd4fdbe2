"""The JSON of one Snapshot; each GPU's part is made once for all answers and events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.gpu import GpuJson
from agent.views.processes import ProcessesJson
from agent.views.status import StatusJson

if TYPE_CHECKING:
    from agent.derive.activity import Thresholds
    from agent.readings import Snapshot


# Each stream may select other GPUs; an event that is not kept is joined again.
MAX_EVENT_BYTES = 32 * 1024**2


class SnapshotJson:
    """Each of `gpu`, `status` and `processes` gives the pieces of one answer."""

    def __init__(self, snapshot: Snapshot, thresholds: Thresholds, idle_holder_seconds: float) -> None:
        self.snapshot = snapshot
        self.gpu = GpuJson(snapshot, thresholds)
        self.status = StatusJson(snapshot)
        self.processes = ProcessesJson(snapshot, idle_holder_seconds)
        self._events: dict[frozenset[int] | None, bytes] = {}
        self._event_bytes = 0

    def event(self, indices: frozenset[int] | None) -> bytes | None:
        """The event for streams of these GPUs, if it was made before and is kept."""
        return self._events.get(indices)

    def keep_event(self, indices: frozenset[int] | None, event: bytes) -> bytes:
        """Keep it if there is room; returns the one to send, the same for all."""
        if indices not in self._events and self._event_bytes + len(event) <= MAX_EVENT_BYTES:
            self._events[indices] = event
            self._event_bytes += len(event)
        return self._events.get(indices, event)
