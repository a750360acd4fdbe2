"""How fast the clocks of one GPU run, how fast they may, and what holds them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Clocks
from agent.sources.gpu.once import Once
from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from agent.sources.nvml import query_or_none
from agent.sources.paced import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ClocksSource:
    """The clocks of the GPU behind one handle."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._once = Once(handle, _ONCE)
        self._slow = Paced(SLOW_PACE, lambda: _read_slow(handle))
        self._fixed = Paced(FIXED_PACE, lambda: _read_fixed(handle))

    def read(self, now: float) -> Clocks:
        """NVML: see the fields of Clocks."""
        return Clocks(
            graphics_mhz=_clock(self._handle, pynvml.NVML_CLOCK_GRAPHICS),
            memory_mhz=_clock(self._handle, pynvml.NVML_CLOCK_MEM),
            event_reasons=_event_reasons(self._handle),
            **self._once.get(now),
            **self._slow.get(now),
            **self._fixed.get(now),
        )


def _clock(handle: Any, clock: int) -> int | None:
    mhz: int | None = query_or_none("nvmlDeviceGetClockInfo", handle, clock)
    return mhz


def _max_clock(handle: Any, clock: int) -> int | None:
    mhz: int | None = query_or_none("nvmlDeviceGetMaxClockInfo", handle, clock)
    return mhz


_ONCE: Mapping[str, Callable[[Any], Any]] = {
    "max_graphics_mhz": lambda handle: _max_clock(handle, pynvml.NVML_CLOCK_GRAPHICS),
    "max_memory_mhz": lambda handle: _max_clock(handle, pynvml.NVML_CLOCK_MEM),
}


def _read_slow(handle: Any) -> dict[str, int | None]:
    return {
        "sm_mhz": _clock(handle, pynvml.NVML_CLOCK_SM),
        "video_mhz": _clock(handle, pynvml.NVML_CLOCK_VIDEO),
    }


def _read_fixed(handle: Any) -> dict[str, int | None]:
    return {
        "max_sm_mhz": _max_clock(handle, pynvml.NVML_CLOCK_SM),
        "max_video_mhz": _max_clock(handle, pynvml.NVML_CLOCK_VIDEO),
    }


def _event_reasons(handle: Any) -> int | None:
    reasons = query_or_none("nvmlDeviceGetCurrentClocksEventReasons", handle)
    if reasons is None:  # drivers before R535 know it by its old name
        reasons = query_or_none("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    return None if reasons is None else int(reasons)
