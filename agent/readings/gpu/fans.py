"""The fans of one GPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fan:
    """One fan."""

    speed_percent: int | None = None  # nvmlDeviceGetFanSpeed_v2: as intended; may exceed 100
    speed_rpm: int | None = None  # nvmlDeviceGetFanSpeedRPM: as measured


@dataclass(frozen=True, slots=True)
class Fans:
    """The first fan, which is all that older drivers tell of, and each of them."""

    count: int | None = None  # nvmlDeviceGetNumFans
    speed_percent: int | None = None  # nvmlDeviceGetFanSpeed: of the first; may exceed 100
    speed_rpm: int | None = None  # nvmlDeviceGetFanSpeedRPM: of the first
    gpu_celsius: int | None = None  # how hot the GPU was when they were read
    each: tuple[Fan, ...] = ()
