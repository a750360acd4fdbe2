"""For how long something held back the clocks of one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from agent.readings import Throttling


class GpuThrottledSeconds(BaseModel):
    """Since the driver was loaded, by the names of throttling.reason_names.

    NVML: field values 74 to 76 and 269 to 271, or nvmlDeviceGetViolationStatus; they count nanoseconds.
    """

    sw_power_cap: float | None = Field(description="seconds for which the power limit slowed the GPU down")
    sync_boost: float | None = Field(description="seconds for which its sync boost group slowed the GPU down")
    sw_thermal_slowdown: float | None = Field(
        description="seconds for which the driver slowed the GPU down because of heat"
    )
    hw_thermal_slowdown: float | None = Field(
        description="seconds for which the hardware slowed itself down because of heat"
    )
    hw_power_brake_slowdown: float | None = Field(
        description="seconds for which an external signal, such as that of the power supply, slowed the"
        " GPU down"
    )
    thermal: float | None = Field(
        description="seconds for which any heat slowed the GPU down; the only counter of heat with drivers"
        " before R575"
    )


def throttled_seconds_view(throttling: Throttling) -> GpuThrottledSeconds:
    """The wire shape of the counters."""
    return GpuThrottledSeconds(
        sw_power_cap=throttling.power_cap_seconds,
        sync_boost=throttling.sync_boost_seconds,
        sw_thermal_slowdown=throttling.software_thermal_seconds,
        hw_thermal_slowdown=throttling.hardware_thermal_seconds,
        hw_power_brake_slowdown=throttling.power_brake_seconds,
        thermal=throttling.thermal_seconds,
    )
