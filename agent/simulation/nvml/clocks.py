"""Clocks: present, maximum, and the reasons that limit them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device

_DOMAINS = ("graphics", "sm", "memory", "video")  # by nvmlClockType_t


def _clock(device: Device, clock_type: Any, prefix: str) -> int | None:
    number = wire.number(clock_type)
    if number >= len(_DOMAINS):
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    clock: int | None = getattr(device.values, f"{prefix}{_DOMAINS[number]}_clock")
    return clock


@device_function("nvmlDeviceGetClockInfo")
def clock_info(device: Device, clock_type: Any, megahertz: Any) -> None:
    wire.write(megahertz, _clock(device, clock_type, ""))


@device_function("nvmlDeviceGetMaxClockInfo")
def max_clock_info(device: Device, clock_type: Any, megahertz: Any) -> None:
    wire.write(megahertz, _clock(device, clock_type, "max_"))


@device_function("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
def clocks_event_reasons(device: Device, reasons: Any) -> None:
    wire.write(reasons, device.values.clocks_event_reasons)


@device_function("nvmlDeviceGetSupportedClocksEventReasons", "nvmlDeviceGetSupportedClocksThrottleReasons")
def supported_clocks_event_reasons(device: Device, reasons: Any) -> None:
    wire.write(reasons, device.values.supported_clocks_event_reasons)
