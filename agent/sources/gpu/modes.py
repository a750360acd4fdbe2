"""The modes that one GPU is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Modes
from agent.sources.gpu.fixed import Fixed
from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.paced import Paced

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle


class ModesSource:
    """The modes of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._slow = Paced(SLOW_PACE, lambda: _read_slow(handle))
        self._fixed = Fixed(handle, lambda: _read_fixed(handle))

    def read(self, now: float) -> Modes:
        """NVML: see the fields of Modes."""
        return Modes(**self._slow.get(now), **self._fixed.get(now))


def _read_slow(handle: GpuHandle) -> dict[str, Any]:
    return {
        "performance_state": handle.take(
            "modes.performance_state", handle.call("nvmlDeviceGetPerformanceState"), _performance_state
        ),
        "persistence_mode": handle.take(
            "modes.persistence_mode", handle.call("nvmlDeviceGetPersistenceMode"), bool
        ),
        "compute_mode": handle.ask("modes.compute_mode", "nvmlDeviceGetComputeMode"),
    }


def _read_fixed(handle: GpuHandle) -> dict[str, Any]:
    return {
        "virtualization_mode": handle.ask("modes.virtualization_mode", "nvmlDeviceGetVirtualizationMode"),
        "addressing_mode": handle.ask("modes.addressing_mode", "nvmlDeviceGetAddressingMode"),
    }


def _performance_state(state: int) -> int | None:
    return None if state == pynvml.NVML_PSTATE_UNKNOWN else state
