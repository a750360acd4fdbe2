"""How busy one GPU is, by its coarse rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.readings import Utilization

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle


def read_utilization(handle: GpuHandle) -> Utilization:
    """NVML: nvmlDeviceGetUtilizationRates."""
    rates = handle.call("nvmlDeviceGetUtilizationRates")
    return Utilization(
        gpu_percent=handle.take("utilization.gpu_percent", rates, lambda rates: _percent(rates.gpu)),
        memory_controller_percent=handle.take(
            "utilization.memory_controller_percent", rates, lambda rates: _percent(rates.memory)
        ),
    )


def _percent(value: Any) -> int | None:
    """A percentage out of an NVML struct; some drivers answer garbage above 100."""
    return int(value) if value <= 100 else None
