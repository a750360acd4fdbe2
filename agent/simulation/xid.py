"""Event sets in which XID errors wait until they are read."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.simulation.gpu import SimulatedGpu

_FIRST_SET = 0x7000_0000  # the pointers handed out are numbers, far from those of device handles
# Seconds; the longest wait, even if the caller allows a longer one: a scenario may raise an XID while nobody
# else calls, and an agent that ends waits for the present wait.
LONGEST_WAIT = 0.05


@dataclass
class EventSet:
    """One nvmlEventSet_t."""

    changed: threading.Condition
    gpus: dict[int, SimulatedGpu] = field(default_factory=dict)  # by handle
    queue: deque[tuple[int, int]] = field(default_factory=deque)  # handle and XID

    def register(self, handle: int, gpu: SimulatedGpu) -> None:
        """Collect XIDs of this GPU from now on."""
        if handle not in self.gpus:
            self.gpus[handle] = gpu
            gpu.xid_listeners.append(self.put)

    def put(self, gpu: SimulatedGpu, code: int) -> None:
        """Add an XID."""
        with self.changed:
            self.queue.extend((handle, code) for handle, one in self.gpus.items() if one is gpu)
            self.changed.notify_all()

    def take(self, timeout_seconds: float) -> tuple[int, int] | None:
        """The next event: handle and XID; None when there is none in time, a GPU is lost, or it is closed."""
        with self.changed:
            if not self.queue and not self.has_lost_one:
                self.changed.wait(min(timeout_seconds, LONGEST_WAIT))
            return self.queue.popleft() if self.queue else None

    @property
    def has_lost_one(self) -> bool:
        """Whether a registered GPU has fallen off the bus."""
        return any(gpu.is_lost for gpu in self.gpus.values())

    def close(self) -> None:
        """Drop all waiting XIDs."""
        for gpu in self.gpus.values():
            gpu.xid_listeners.remove(self.put)
        self.gpus.clear()


class EventSets:
    """The existing event sets."""

    def __init__(self) -> None:
        self.by_pointer: dict[int, EventSet] = {}
        self._pointers = itertools.count(_FIRST_SET, 16)
        self._changed = threading.Condition()

    def create(self) -> int:
        """Create an event set; returns its pointer."""
        pointer = next(self._pointers)
        self.by_pointer[pointer] = EventSet(self._changed)
        return pointer

    def close_all(self) -> None:
        """Close all sets, because the driver is gone."""
        for event_set in self.by_pointer.values():
            event_set.close()
        self.by_pointer.clear()
        with self._changed:
            self._changed.notify_all()
