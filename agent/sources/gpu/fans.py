"""The fans of one GPU."""

from __future__ import annotations

from ctypes import byref
from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Fan, Fans
from agent.sources.gpu.fixed import Fixed
from agent.sources.gpu.handle import Elements
from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.gpu.ranges import RANGES
from agent.sources.nvml import call_c_function
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.sources.gpu.handle import GpuHandle


class FansSource:
    """The fans of the GPU behind one handle. `clock`: seconds of the monotonic clock."""

    def __init__(self, handle: GpuHandle, clock: Callable[[], float]) -> None:
        self._handle = handle
        self._clock = clock
        self._count: Fixed[int | None] = Fixed(
            handle, lambda: handle.query("fans.count", "nvmlDeviceGetNumFans")
        )
        self._first_of_none = Fixed(handle, lambda: _read_first(handle))
        self._celsius: int | None = None
        self._fans = Paced(SLOW_PACE, self._read)

    def read(self, now: float, gpu_celsius: int | None) -> Fans:
        """NVML: see the fields of Fans. `gpu_celsius` is of this sample."""
        self._celsius = gpu_celsius
        return self._fans.get(now)

    def _read(self) -> Fans:
        handle, now = self._handle, self._clock()
        count = self._count.get(now)
        fans = Elements(handle)
        rpm = [handle.call(_fan_speed_rpm, fan) for fan in _believable(count)]
        each = tuple(
            Fan(fans.query("nvmlDeviceGetFanSpeed_v2", fan), fans.take(answer))
            for fan, answer in enumerate(rpm)
        )
        fans.record("fans.each")
        return Fans(
            count=count,
            gpu_celsius=self._celsius,
            each=each,
            **(self._first_of_none.get(now) if count == 0 else _read_first(handle, *rpm[:1])),
        )


def _read_first(handle: GpuHandle, rpm: Any = None) -> dict[str, int | None]:
    """`rpm`: the answer for the first of the fans that the driver counts, so that it is not asked twice."""
    if rpm is None:
        rpm = handle.call(_fan_speed_rpm, 0)
    return {
        "speed_percent": handle.query("fans.speed_percent", "nvmlDeviceGetFanSpeed"),
        "speed_rpm": handle.take("fans.speed_rpm", rpm, int),
    }


def _believable(count: int | None) -> Iterable[int]:
    """The indices of the fans to read; none if the driver reports an impossible number."""
    return range(count) if count is not None and RANGES["fans.count"].can_be(count) else ()


def _fan_speed_rpm(handle: Any, fan: int) -> int:
    """NVML: nvmlDeviceGetFanSpeedRPM; pynvml's own function asks for the first fan only."""
    info = pynvml.c_nvmlFanSpeedInfo_t()
    info.version, info.fan = pynvml.nvmlFanSpeedInfo_v1, fan
    call_c_function("nvmlDeviceGetFanSpeedRPM", handle, byref(info))
    return int(info.speed)


_fan_speed_rpm.__name__ = "nvmlDeviceGetFanSpeedRPM"  # so it is called where its errors are shown
