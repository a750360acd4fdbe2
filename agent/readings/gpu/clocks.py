"""The clocks of one GPU, their maxima, and the reasons that limit them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clocks:
    """NVML: nvmlDeviceGetClockInfo; the maxima: nvmlDeviceGetMaxClockInfo."""

    graphics_mhz: int | None = None
    memory_mhz: int | None = None
    sm_mhz: int | None = None
    video_mhz: int | None = None
    max_graphics_mhz: int | None = None
    max_memory_mhz: int | None = None
    max_sm_mhz: int | None = None
    max_video_mhz: int | None = None
    event_reasons: int | None = None  # nvmlDeviceGetCurrentClocksEventReasons, bitmask
    # nvmlDeviceGetSupportedClocksEventReasons, bitmask: those that this GPU can report
    supported_event_reasons: int | None = None
