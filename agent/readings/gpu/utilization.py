"""How busy one GPU is, by the coarse rates that every generation tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Utilization:
    """Percent of time (NVML: nvmlDeviceGetUtilizationRates)."""

    gpu_percent: int | None = None  # in which a kernel ran
    memory_controller_percent: int | None = None  # in which DRAM was in use
