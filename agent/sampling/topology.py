"""How the GPUs are connected: read once, and again while a part is unknown. No request waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.readings import Topology
    from agent.sampling.interfaces import Connections
    from agent.sampling.worker import Worker

# Seconds until a topology that is not known in full is asked for again.
RETRY = 60.0


class KnownTopology:
    """Lives on the event loop. `connections` None: the topology is never known."""

    def __init__(
        self, connections: Connections | None, worker: Worker[Topology], clock: Callable[[], float]
    ) -> None:
        self._connections = connections
        self.worker = worker
        self._clock = clock
        self._requested_at = float("-inf")  # seconds of the monotonic clock

    def get(self, gpu_count: int) -> Topology | None:
        """The topology of this many GPUs, as far as it is known; None: unknown."""
        result = self.worker.result
        known = result.reading if result is not None else None
        return known if known is not None and len(known.levels) == gpu_count else None

    def request(self, gpu_count: int) -> None:
        """Read the unknown part for this many GPUs, unless that was tried recently."""
        known, now, connections = self.get(gpu_count), self._clock(), self._connections
        if connections is None or (known is not None and known.is_complete):
            return
        if now - self._requested_at >= RETRY:
            self._requested_at = now
            self.worker.request(lambda: connections.read(gpu_count))
