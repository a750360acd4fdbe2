"""GPU performance monitoring (GPM), Hopper and newer: activity of SMs, tensor cores and DRAM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpm:
    """Percent, 0 to 100, as a mean over the time since the previous sample."""

    supported: bool = False  # nvmlGpmQueryDeviceSupport
    sm_activity_percent: float | None = None  # GPM metric 2
    sm_occupancy_percent: float | None = None  # GPM metric 3: warps of the most there can be
    tensor_activity_percent: float | None = None  # GPM metric 5: time in which tensor cores worked
    dram_activity_percent: float | None = None  # GPM metric 10
