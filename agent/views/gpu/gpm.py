"""Activity of SMs, tensor cores and DRAM, from GPM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.rounding import tenths

if TYPE_CHECKING:
    from agent.readings import Gpm


class GpuPerformance(BaseModel):
    """NVML: GPM metrics 2, 3, 5 and 10; Hopper and newer."""

    sm_percent: float | None = Field(description="share of the SMs that were busy, percent")
    sm_occupancy_percent: float | None = Field(description="warps in flight, percent of the maximum")
    tensor_percent: float | None = Field(description="share of time in which tensor cores worked, percent")
    dram_percent: float | None = Field(description="share of the memory bandwidth in use, percent")


def performance_view(gpm: Gpm) -> GpuPerformance:
    """The wire shape of the GPM metrics."""
    return GpuPerformance(
        sm_percent=tenths(gpm.sm_activity_percent),
        sm_occupancy_percent=tenths(gpm.sm_occupancy_percent),
        tensor_percent=tenths(gpm.tensor_activity_percent),
        dram_percent=tenths(gpm.dram_activity_percent),
    )


def gpm_or(gpm: Gpm, metric: float | None, rate: int | None) -> float | None:
    """GPM's value if the GPU has GPM, even if unknown: the coarser rate must not replace it at times."""
    return metric if gpm.supported else rate
