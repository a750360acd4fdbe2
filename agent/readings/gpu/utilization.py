"""The utilization of one GPU: coarse rates that every generation reports."""

from __future__ import annotations

from dataclasses import dataclass

# At and above this percentage a GPU works; a desktop takes less.
WORKS_PERCENT = 5


@dataclass(frozen=True, slots=True)
class Utilization:
    """Percent of time (NVML: nvmlDeviceGetUtilizationRates)."""

    gpu_percent: int | None = None  # in which a kernel ran
    memory_controller_percent: int | None = None  # in which DRAM was in use
