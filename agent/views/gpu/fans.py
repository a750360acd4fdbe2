"""The fans of one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from agent.readings import GpuSample


class GpuFanDetail(BaseModel):
    """NVML: nvmlDeviceGetFanSpeed_v2, nvmlDeviceGetFanSpeedRPM."""

    speed_percent: int | None = Field(
        description="speed as requested by the driver, percent of the maximum; may exceed 100"
    )
    speed_rpm: int | None = Field(description="measured speed, revolutions per minute")


def fans_view(gpu: GpuSample) -> list[GpuFanDetail] | None:
    """The wire shape of each fan; None: the GPU cannot be read."""
    if gpu.reading is None:
        return None
    return [
        GpuFanDetail(speed_percent=fan.speed_percent, speed_rpm=fan.speed_rpm)
        for fan in gpu.reading.fans.each
    ]
