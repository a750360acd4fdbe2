"""The utilization of one GPU: its coarse rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import Utilization
from agent.sources.nvml import number

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle


def read_utilization(handle: GpuHandle) -> Utilization:
    """NVML: nvmlDeviceGetUtilizationRates."""
    rates = handle.call("nvmlDeviceGetUtilizationRates")
    return Utilization(
        gpu_percent=handle.take("utilization.gpu_percent", rates, lambda rates: number(rates, "gpu")),
        memory_controller_percent=handle.take(
            "utilization.memory_controller_percent", rates, lambda rates: number(rates, "memory")
        ),
    )
