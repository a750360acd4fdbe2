"""How fast the clocks of one GPU run, and what holds them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive import throttling
from agent.derive.rounding import percent, whole

if TYPE_CHECKING:
    from agent.readings import Clocks, GpuSample


class GpuClocks(BaseModel):
    """NVML: nvmlDeviceGetClockInfo, nvmlDeviceGetMaxClockInfo."""

    graphics_mhz: int | None = Field(description="graphics clock, MHz")
    memory_mhz: int | None = Field(description="memory clock, MHz")
    max_graphics_mhz: int | None = Field(description="maximum graphics clock, MHz")
    max_memory_mhz: int | None = Field(description="maximum memory clock, MHz")
    efficiency_percent: int | None = Field(description="graphics clock in percent of its maximum")


def clocks_view(clocks: Clocks) -> GpuClocks:
    """The wire shape of the clocks that matter most."""
    return GpuClocks(
        graphics_mhz=clocks.graphics_mhz,
        memory_mhz=clocks.memory_mhz,
        max_graphics_mhz=clocks.max_graphics_mhz,
        max_memory_mhz=clocks.max_memory_mhz,
        efficiency_percent=whole(percent(clocks.graphics_mhz, clocks.max_graphics_mhz)),
    )


class GpuClockDetail(BaseModel):
    """NVML: nvmlDeviceGetClockInfo, nvmlDeviceGetMaxClockInfo."""

    sm_mhz: int | None = Field(description="SM clock, MHz")
    video_mhz: int | None = Field(description="video clock, MHz")
    max_sm_mhz: int | None = Field(description="maximum SM clock, MHz")
    max_video_mhz: int | None = Field(description="maximum video clock, MHz")


def clock_detail_view(clocks: Clocks) -> GpuClockDetail:
    """The wire shape of the other clocks."""
    return GpuClockDetail(
        sm_mhz=clocks.sm_mhz,
        video_mhz=clocks.video_mhz,
        max_sm_mhz=clocks.max_sm_mhz,
        max_video_mhz=clocks.max_video_mhz,
    )


class GpuThrottling(BaseModel):
    """NVML: nvmlDeviceGetCurrentClocksEventReasons."""

    reasons: int | None = Field(description="NVML's clocks event reasons, bitmask")
    reason_names: list[str] | None = Field(
        description="the clocks event reasons by name; null: the driver does not report them"
    )
    is_throttled: bool | None = Field(description="whether a power or thermal slowdown is in force")
    bottlenecks: list[str] | None = Field(description="what limits this GPU; null: the GPU cannot be read")


def throttling_view(gpu: GpuSample) -> GpuThrottling:
    """The wire shape of what holds the clocks back, and what limits the GPU."""
    reasons = gpu.values.clocks.event_reasons
    return GpuThrottling(
        reasons=reasons,
        reason_names=throttling.reason_names(reasons),
        is_throttled=throttling.is_throttled(reasons),
        bottlenecks=throttling.bottlenecks(gpu.reading) if gpu.reading else None,
    )
