"""NVML's clocks event reasons by name, and the bottlenecks that they indicate."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from agent.derive.pcie import utilization_percent
from agent.derive.rounding import percent

if TYPE_CHECKING:
    from agent.readings import GpuReading


class ClocksEventReason(IntEnum):
    """nvml.h: nvmlClocksEventReason*.

    Bits of a plain int, because an IntFlag creates an object for each operation.
    """

    GPU_IDLE = 0x1
    APPLICATIONS_CLOCKS_SETTING = 0x2
    SW_POWER_CAP = 0x4
    HW_SLOWDOWN = 0x8
    SYNC_BOOST = 0x10
    SW_THERMAL_SLOWDOWN = 0x20
    HW_THERMAL_SLOWDOWN = 0x40
    HW_POWER_BRAKE_SLOWDOWN = 0x80
    DISPLAY_CLOCK_SETTING = 0x100


THERMAL = ClocksEventReason.SW_THERMAL_SLOWDOWN | ClocksEventReason.HW_THERMAL_SLOWDOWN

# The other reasons are settings of the clocks or idleness: no slowdown.
SLOWDOWN = (
    THERMAL
    | ClocksEventReason.SW_POWER_CAP
    | ClocksEventReason.HW_SLOWDOWN
    | ClocksEventReason.HW_POWER_BRAKE_SLOWDOWN
)

_NAMES = [(int(reason), reason.name.lower()) for reason in ClocksEventReason]
_NAMED = sum(ClocksEventReason)

# A hardware slowdown this near to the power limit is caused by the limit; below it, by the board.
NEAR_POWER_LIMIT_PERCENT = 95.0
HIGH_MEMORY_PERCENT = 80.0
MEMORY_BOUND_MEMORY_PERCENT = 60.0
MEMORY_BOUND_GPU_PERCENT = 40.0
PCIE_SATURATED_PERCENT = 80.0


def is_throttled(reasons: int | None) -> bool | None:
    """Whether the bitmask holds a real slowdown."""
    return None if reasons is None else bool(reasons & SLOWDOWN)


def reason_names(reasons: int | None) -> list[str] | None:
    """The names of the bits, lowest first; an unknown bit is named by its value."""
    if reasons is None:
        return None
    names = [name for bit, name in _NAMES if reasons & bit]
    rest = reasons & ~_NAMED
    return names + [hex(1 << bit) for bit in range(rest.bit_length()) if rest >> bit & 1]


def bottlenecks(reading: GpuReading) -> list[str]:
    """What limits this GPU, as far as it is known, in a fixed order."""
    reasons = reading.clocks.event_reasons or 0
    power = percent(reading.power.usage_watts, reading.power.limit_watts)
    memory = percent(reading.memory.used_bytes, reading.memory.total_bytes)
    gpu = reading.utilization.gpu_percent
    hw_slowdown = bool(reasons & ClocksEventReason.HW_SLOWDOWN)
    near_limit = power is not None and power >= NEAR_POWER_LIMIT_PERCENT
    below_limit = power is not None and power < NEAR_POWER_LIMIT_PERCENT
    found = {
        "thermal_throttling": bool(reasons & THERMAL),
        "power_throttling": bool(reasons & ClocksEventReason.SW_POWER_CAP) or (hw_slowdown and near_limit),
        "board_power_throttling": bool(reasons & ClocksEventReason.HW_POWER_BRAKE_SLOWDOWN)
        or (hw_slowdown and below_limit),
        "high_memory_usage": memory is not None and memory > HIGH_MEMORY_PERCENT,
        "memory_bound_workload": memory is not None
        and gpu is not None
        and memory >= MEMORY_BOUND_MEMORY_PERCENT
        and gpu <= MEMORY_BOUND_GPU_PERCENT,
        "pcie_bandwidth_saturated": (utilization_percent(reading) or 0) > PCIE_SATURATED_PERCENT,
    }
    return [name for name, present in found.items() if present]
