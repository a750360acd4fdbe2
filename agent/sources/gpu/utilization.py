"""How busy one GPU is, by its coarse rates."""

from __future__ import annotations

from typing import Any

from agent.readings import Utilization
from agent.sources.nvml import query_or_none


def read_utilization(handle: Any) -> Utilization:
    """NVML: nvmlDeviceGetUtilizationRates."""
    rates = query_or_none("nvmlDeviceGetUtilizationRates", handle)
    return Utilization(
        gpu_percent=_percent(rates, "gpu"), memory_controller_percent=_percent(rates, "memory")
    )


def _percent(struct: Any, field: str) -> int | None:
    """A percentage out of an NVML struct; some drivers answer garbage above 100."""
    value = getattr(struct, field, None)
    return int(value) if value is not None and value <= 100 else None
