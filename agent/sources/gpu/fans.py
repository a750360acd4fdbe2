"""The fans of one GPU."""

from __future__ import annotations

from ctypes import byref
from typing import Any

import pynvml

from agent.readings import Fan, Fans
from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from agent.sources.nvml import call_c_function, query_or_none
from agent.sources.paced import Paced


class FansSource:
    """The fans of the GPU behind one handle."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._count: int | None = None
        self._paced_count = Paced(FIXED_PACE, lambda: query_or_none("nvmlDeviceGetNumFans", handle))
        self._speeds = Paced(SLOW_PACE, self._read_speeds)

    def read(self, now: float) -> Fans:
        """NVML: see the fields of Fans."""
        self._count = self._paced_count.get(now)
        return Fans(count=self._count, **self._speeds.get(now))

    def _read_speeds(self) -> dict[str, Any]:
        handle = self._handle
        return {
            "speed_percent": query_or_none("nvmlDeviceGetFanSpeed", handle),
            "speed_rpm": query_or_none("nvmlDeviceGetFanSpeedRPM", handle),
            "each": tuple(_fan(handle, fan) for fan in range(self._count or 0)),
        }


def _fan(handle: Any, fan: int) -> Fan:
    return Fan(
        query_or_none("nvmlDeviceGetFanSpeed_v2", handle, fan), query_or_none(_fan_speed_rpm, handle, fan)
    )


def _fan_speed_rpm(handle: Any, fan: int) -> int:
    """NVML: nvmlDeviceGetFanSpeedRPM; pynvml's own function asks for the first fan only."""
    info = pynvml.c_nvmlFanSpeedInfo_t()
    info.version, info.fan = pynvml.nvmlFanSpeedInfo_v1, fan
    call_c_function("nvmlDeviceGetFanSpeedRPM", handle, byref(info))
    return int(info.speed)
