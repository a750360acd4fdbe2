"""Memory of the host."""

from __future__ import annotations

from typing import NamedTuple

import psutil


class HostMemory(NamedTuple):
    """Bytes of RAM; cached includes what the kernel can reclaim, as `free` counts it."""

    total: int | None = None
    available: int | None = None
    cached: int | None = None
    buffers: int | None = None

    @property
    def used(self) -> int | None:
        """What no process can have any more."""
        return None if self.total is None or self.available is None else self.total - self.available


def read_memory() -> HostMemory:
    """Of the whole host; a container's limit is not in it."""
    memory = psutil.virtual_memory()
    return HostMemory(memory.total, memory.available, memory.cached, memory.buffers)


def percent_of(part: int | None, whole: int | None) -> float | None:
    """The percentage; None if either is unknown."""
    return 100.0 * part / whole if part is not None and whole else None
