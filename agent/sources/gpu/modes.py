"""The modes that one GPU is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml

from agent.readings import Modes

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle


def read_modes(handle: GpuHandle) -> Modes:
    """NVML: see the fields of Modes."""
    return Modes(
        performance_state=handle.take(
            "modes.performance_state", handle.call("nvmlDeviceGetPerformanceState"), _performance_state
        ),
        persistence_mode=handle.take(
            "modes.persistence_mode", handle.call("nvmlDeviceGetPersistenceMode"), bool
        ),
        compute_mode=handle.ask("modes.compute_mode", "nvmlDeviceGetComputeMode"),
    )


def _performance_state(state: int) -> int | None:
    return None if state == pynvml.NVML_PSTATE_UNKNOWN else state
