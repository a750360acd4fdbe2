"""The memory of one GPU. Asking for it tells whether the GPU can be read at all: so it comes first."""

from __future__ import annotations

from typing import Any

import pynvml

from agent.readings import Memory
from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.nvml import number, query, query_or_none
from agent.sources.paced import Paced


class MemorySource:
    """The memory of the GPU with this index, which is behind this handle."""

    def __init__(self, index: int, handle: Any) -> None:
        self._index = index
        self._handle = handle
        self._bar1 = Paced(SLOW_PACE, lambda: _read_bar1(handle))

    def read(self, now: float) -> Memory:
        """Raises `pynvml.NVMLError` if the GPU as a whole cannot be read. NVML: see the fields of Memory."""
        memory = self._read_memory()
        total = number(memory, "total") or None  # unified memory (GB10) has no total, or says 0
        return Memory(
            total_bytes=total,
            used_bytes=number(memory, "used") if total else None,
            free_bytes=number(memory, "free") if total else None,
            reserved_bytes=number(memory, "reserved") if total else None,
            **self._bar1.get(now),
        )

    def _read_memory(self) -> Any:
        try:
            return query("nvmlDeviceGetMemoryInfo", self._handle)
        except pynvml.NVMLError_NoPermission:
            # In a container with a part of a GPU (MIG) the memory of the whole may be forbidden alone.
            query("nvmlDeviceGetHandleByIndex", self._index)
            return None


def _read_bar1(handle: Any) -> dict[str, int | None]:
    bar1 = query_or_none("nvmlDeviceGetBAR1MemoryInfo", handle)
    return {
        "bar1_total_bytes": number(bar1, "bar1Total"),
        "bar1_used_bytes": number(bar1, "bar1Used"),
    }
