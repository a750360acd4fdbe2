"""How busy one GPU is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.rounding import whole
from agent.views.gpu.gpm import gpm_or

if TYPE_CHECKING:
    from agent.readings import GpuReading


class GpuUtilization(BaseModel):
    """NVML: nvmlDeviceGetUtilizationRates, GPM."""

    gpu_percent: int | None = Field(description="percent of time in which a kernel ran")
    memory_percent: int | None = Field(description="percent of time in which DRAM was read or written")
    sm_percent: int | None = Field(
        description="SM activity from GPM (Hopper and newer), else equal to gpu_percent"
    )


def utilization_view(reading: GpuReading) -> GpuUtilization:
    """The wire shape of the rates."""
    utilization, gpm = reading.utilization, reading.gpm
    return GpuUtilization(
        gpu_percent=utilization.gpu_percent,
        memory_percent=utilization.memory_controller_percent,
        sm_percent=whole(gpm_or(gpm, gpm.sm_activity_percent, utilization.gpu_percent)),
    )
