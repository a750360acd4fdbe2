"""For how long each reason slowed down one GPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Throttling:
    """Counters of seconds since the driver was loaded; they include slowdowns too short for a sample.

    NVML counts nanoseconds. The ids of the last three fields are those of R580 and newer; R575, and the first
    of R580, report them as 251, 252 and 253.
    """

    power_cap_seconds: float | None = None  # field value 74, or nvmlDeviceGetViolationStatus: its power limit
    sync_boost_seconds: float | None = None  # field value 76, or nvmlDeviceGetViolationStatus
    software_thermal_seconds: float | None = None  # field value 269: the driver keeps it cool
    hardware_thermal_seconds: float | None = None  # field value 270: clocks are halved, or less
    power_brake_seconds: float | None = None  # field value 271: from outside, by the power supply say
    # field value 75, or nvmlDeviceGetViolationStatus: by heat of either kind
    thermal_seconds: float | None = None
