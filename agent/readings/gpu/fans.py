"""The fans of one GPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fan:
    """One fan."""

    speed_percent: int | None = None  # nvmlDeviceGetFanSpeed_v2: as requested; may exceed 100
    speed_rpm: int | None = None  # nvmlDeviceGetFanSpeedRPM: as measured


@dataclass(frozen=True, slots=True)
class Fans:
    """The first fan, which is all that older drivers report, and each fan."""

    count: int | None = None  # nvmlDeviceGetNumFans
    # nvmlDeviceGetFanSpeed, or of the first of `each`; may exceed 100
    speed_percent: int | None = None
    speed_rpm: int | None = None  # nvmlDeviceGetFanSpeedRPM, or of the first of `each`
    gpu_celsius: int | None = None  # how hot the GPU was when they were read
    each: tuple[Fan, ...] = ()
