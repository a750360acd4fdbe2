"""The clocks of one GPU, their maxima, and the reasons that limit them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml

from agent.readings import Clocks
from agent.sources.gpu.fixed import Fixed
from agent.sources.gpu.once import Once
from agent.sources.gpu.paces import DETAIL_PACE, SLOW_PACE
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment


class ClocksSource:
    """The clocks of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._handle = handle
        self._once = Once("clocks", handle, _ONCE)
        # It has a few steps only, and changes with the performance state, which is read at this pace too.
        self._memory = Paced(SLOW_PACE, lambda: _clock(handle, "clocks.memory_mhz", pynvml.NVML_CLOCK_MEM))
        self._slow = Paced(DETAIL_PACE, lambda: _read_slow(handle))
        self._fixed = Fixed(handle, lambda: _read_fixed(handle))

    def read(self, moment: Moment) -> Clocks:
        """NVML: see the fields of Clocks."""
        handle = self._handle
        return Clocks(
            graphics_mhz=_clock(handle, "clocks.graphics_mhz", pynvml.NVML_CLOCK_GRAPHICS),
            memory_mhz=self._memory.get(moment.now),
            event_reasons=handle.query_first(
                "clocks.event_reasons",
                "nvmlDeviceGetCurrentClocksEventReasons",
                "nvmlDeviceGetCurrentClocksThrottleReasons",  # its name before R535
            ),
            **self._once.get(moment.details),
            **self._slow.get(moment.details),
            **self._fixed.get(moment.details),
        )


def _clock(handle: GpuHandle, field: str, clock: int) -> int | None:
    mhz: int | None = handle.query(field, "nvmlDeviceGetClockInfo", clock)
    return mhz


def _max_clock(handle: GpuHandle, field: str, clock: int) -> int | None:
    mhz: int | None = handle.query(field, "nvmlDeviceGetMaxClockInfo", clock)
    return mhz


_ONCE: Mapping[str, Callable[[GpuHandle], int | None]] = {
    "max_graphics_mhz": lambda handle: _max_clock(
        handle, "clocks.max_graphics_mhz", pynvml.NVML_CLOCK_GRAPHICS
    ),
    "max_memory_mhz": lambda handle: _max_clock(handle, "clocks.max_memory_mhz", pynvml.NVML_CLOCK_MEM),
}


def _read_slow(handle: GpuHandle) -> dict[str, int | None]:
    return {
        "sm_mhz": _clock(handle, "clocks.sm_mhz", pynvml.NVML_CLOCK_SM),
        "video_mhz": _clock(handle, "clocks.video_mhz", pynvml.NVML_CLOCK_VIDEO),
    }


def _read_fixed(handle: GpuHandle) -> dict[str, int | None]:
    return {
        "max_sm_mhz": _max_clock(handle, "clocks.max_sm_mhz", pynvml.NVML_CLOCK_SM),
        "max_video_mhz": _max_clock(handle, "clocks.max_video_mhz", pynvml.NVML_CLOCK_VIDEO),
        "supported_event_reasons": handle.query_first(
            "clocks.supported_event_reasons",
            "nvmlDeviceGetSupportedClocksEventReasons",
            "nvmlDeviceGetSupportedClocksThrottleReasons",  # its name before R535
        ),
    }
