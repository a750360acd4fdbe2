"""The fans of one GPU."""

from __future__ import annotations

from ctypes import byref
from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Fan, Fans
from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from agent.sources.nvml import call_c_function, query_or_none
from agent.sources.paced import Paced

if TYPE_CHECKING:
    from collections.abc import Callable


class FansSource:
    """The fans of the GPU behind one handle. `clock`: seconds of the monotonic clock."""

    def __init__(self, handle: Any, clock: Callable[[], float]) -> None:
        self._handle = handle
        self._clock = clock
        self._count: Paced[int | None] = Paced(
            FIXED_PACE, lambda: query_or_none("nvmlDeviceGetNumFans", handle)
        )
        self._celsius: int | None = None
        self._fans = Paced(SLOW_PACE, self._read)

    def read(self, now: float, gpu_celsius: int | None) -> Fans:
        """NVML: see the fields of Fans. `gpu_celsius` is of this sample."""
        self._celsius = gpu_celsius
        return self._fans.get(now)

    def _read(self) -> Fans:
        handle, count = self._handle, self._count.get(self._clock())
        return Fans(
            count=count,
            speed_percent=query_or_none("nvmlDeviceGetFanSpeed", handle),
            speed_rpm=query_or_none("nvmlDeviceGetFanSpeedRPM", handle),
            gpu_celsius=self._celsius,
            each=tuple(_fan(handle, fan) for fan in range(count or 0)),
        )


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
