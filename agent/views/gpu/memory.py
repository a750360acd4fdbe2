"""The memory of one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.rounding import percent, tenths
from agent.views.gpu.gpm import gpm_or
from agent.views.units import mib

if TYPE_CHECKING:
    from agent.readings import GpuReading, Memory


class GpuMemory(BaseModel):
    """NVML: nvmlDeviceGetMemoryInfo."""

    total_mb: float | None = Field(
        description="total GPU memory, MiB; null where the GPU shares the host's memory"
    )
    used_mb: float | None = Field(description="memory in use, without what the driver reserves, MiB")
    free_mb: float | None = Field(description="free memory, MiB")
    utilization_percent: float | None = Field(description="used of total memory, percent")
    bandwidth_utilization_percent: float | None = Field(
        description="DRAM activity from GPM (Hopper and newer), else equal to memory_percent"
    )


def memory_view(reading: GpuReading) -> GpuMemory:
    """The wire shape of how much there is, and how busy it is."""
    memory, gpm = reading.memory, reading.gpm
    return GpuMemory(
        total_mb=tenths(mib(memory.total_bytes)),
        used_mb=tenths(mib(memory.used_bytes)),
        free_mb=tenths(mib(memory.free_bytes)),
        utilization_percent=tenths(percent(memory.used_bytes, memory.total_bytes)),
        bandwidth_utilization_percent=tenths(
            gpm_or(gpm, gpm.dram_activity_percent, reading.utilization.memory_controller_percent)
        ),
    )


class GpuMemoryDetail(BaseModel):
    """NVML: nvmlDeviceGetMemoryInfo_v2."""

    reserved_mb: float | None = Field(
        description="memory that driver and firmware keep for themselves, MiB: with used_mb and free_mb it"
        " makes total_mb; null: used_mb holds it"
    )


def memory_detail_view(memory: Memory) -> GpuMemoryDetail:
    """The wire shape of the memory that no program can use."""
    return GpuMemoryDetail(reserved_mb=tenths(mib(memory.reserved_bytes)))


class GpuBar1(BaseModel):
    """NVML: nvmlDeviceGetBAR1MemoryInfo: the window through which the host sees GPU memory."""

    total_mb: float | None = Field(description="size of the BAR1 window, MiB")
    used_mb: float | None = Field(description="BAR1 memory in use, MiB")


def bar1_view(memory: Memory) -> GpuBar1:
    """The wire shape of the window."""
    return GpuBar1(total_mb=tenths(mib(memory.bar1_total_bytes)), used_mb=tenths(mib(memory.bar1_used_bytes)))
