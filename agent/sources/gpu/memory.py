"""The memory of one GPU. This query shows whether the GPU can be read at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Memory
from agent.sources.gpu.paces import DETAIL_PACE
from agent.sources.gpu.unknown import Refusal
from agent.sources.nvml import number
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment

_FUNCTION = "nvmlDeviceGetMemoryInfo"

# Every GPU has this function, so the handle is no longer valid.
_STALE = {pynvml.NVML_ERROR_INVALID_ARGUMENT, pynvml.NVML_ERROR_GPU_NOT_FOUND}


class MemorySource:
    """The memory of the GPU with this index, which is behind this handle."""

    def __init__(self, index: int, handle: GpuHandle) -> None:
        self._index = index
        self._handle = handle
        self.refusal: Refusal | None = None  # of the latest reading
        self._bar1 = Paced(DETAIL_PACE, lambda: _read_bar1(handle))

    def read(self, moment: Moment) -> Memory:
        """Raises `pynvml.NVMLError` if the GPU as a whole cannot be read. NVML: see the fields of Memory."""
        take, memory = self._handle.take, self._read_memory()
        # Unified memory (GB10) has no total, or reports 0; its parts are then meaningless.
        total = take("memory.total_bytes", memory, lambda memory: number(memory, "total") or None)
        parts = memory if total or self.refusal else Refusal(_FUNCTION, pynvml.NVML_SUCCESS)
        return Memory(
            total_bytes=total,
            used_bytes=take("memory.used_bytes", parts, lambda memory: number(memory, "used")),
            free_bytes=take("memory.free_bytes", parts, lambda memory: number(memory, "free")),
            reserved_bytes=take("memory.reserved_bytes", parts, lambda memory: number(memory, "reserved")),
            **self._bar1.get(moment.details),
        )

    def _read_memory(self) -> Any:
        memory = self._handle.call(_FUNCTION)
        self.refusal = memory if isinstance(memory, Refusal) else None
        if isinstance(memory, Refusal):
            if memory.code in _STALE:
                raise pynvml.NVMLError(memory.code)
            if memory.code == pynvml.NVML_ERROR_NO_PERMISSION:
                # In a container with a part of a GPU (MIG) only the memory of the whole GPU may be forbidden.
                again = self._handle.call_exactly("nvmlDeviceGetHandleByIndex", self._index)
                if isinstance(again, Refusal):
                    raise pynvml.NVMLError(again.code)
        return memory


def _read_bar1(handle: GpuHandle) -> dict[str, int | None]:
    bar1 = handle.call("nvmlDeviceGetBAR1MemoryInfo")
    return {
        "bar1_total_bytes": handle.take(
            "memory.bar1_total_bytes", bar1, lambda bar1: number(bar1, "bar1Total")
        ),
        "bar1_used_bytes": handle.take("memory.bar1_used_bytes", bar1, lambda bar1: number(bar1, "bar1Used")),
    }
