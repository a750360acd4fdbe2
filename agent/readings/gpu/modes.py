"""The modes that one GPU is in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ComputeMode(IntEnum):
    """Who may run CUDA on a GPU (NVML: nvmlComputeMode_t)."""

    DEFAULT = 0
    EXCLUSIVE_THREAD = 1
    PROHIBITED = 2
    EXCLUSIVE_PROCESS = 3


@dataclass(frozen=True, slots=True)
class Modes:
    """How the GPU is set, or has set itself."""

    performance_state: int | None = None  # nvmlDeviceGetPerformanceState: 0 the fastest, 15 the slowest
    persistence_mode: bool | None = None  # nvmlDeviceGetPersistenceMode
    compute_mode: int | None = None  # nvmlDeviceGetComputeMode: one of ComputeMode, or newer than it
