"""How busy one GPU is, by its coarse rates."""

from __future__ import annotations

from typing import Any

from agent.readings import Utilization
from agent.sources.nvml import number, query_or_none


def read_utilization(handle: Any) -> Utilization:
    """NVML: nvmlDeviceGetUtilizationRates."""
    rates = query_or_none("nvmlDeviceGetUtilizationRates", handle)
    return Utilization(gpu_percent=number(rates, "gpu"), memory_controller_percent=number(rates, "memory"))
