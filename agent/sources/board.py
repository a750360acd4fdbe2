"""The card of one GPU and its limits, which do not change."""

from __future__ import annotations

from typing import Any

import pynvml

from agent.readings import Board
from agent.sources.nvml import ask, watts


def read_board(handle: Any) -> Board:
    """What is written on the card, so to say. NVML: see the fields of Board."""
    capability = ask("nvmlDeviceGetCudaComputeCapability", handle)
    return Board(
        serial=ask("nvmlDeviceGetSerial", handle),
        part_number=ask("nvmlDeviceGetBoardPartNumber", handle) or None,  # some boards answer ""
        vbios_version=ask("nvmlDeviceGetVbiosVersion", handle),
        compute_capability=None if capability is None else (capability[0], capability[1]),
        default_power_limit_watts=watts(ask("nvmlDeviceGetPowerManagementDefaultLimit", handle)),
        max_sm_clock_mhz=ask("nvmlDeviceGetMaxClockInfo", handle, pynvml.NVML_CLOCK_SM),
        max_video_clock_mhz=ask("nvmlDeviceGetMaxClockInfo", handle, pynvml.NVML_CLOCK_VIDEO),
        fan_count=ask("nvmlDeviceGetNumFans", handle),
        shutdown_celsius=_threshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN),
        slowdown_celsius=_threshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),
        max_operating_celsius=_threshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX),
        memory_max_celsius=_threshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_MEM_MAX),
    )


def _threshold(handle: Any, which: int) -> int | None:
    return ask("nvmlDeviceGetTemperatureThreshold", handle, which) or None  # 0 where there is none
