"""Fans: how many, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device


@device_function("nvmlDeviceGetNumFans")
def fan_count(device: Device, count: Any) -> None:
    wire.write(count, device.gpu.model.fans)


@device_function("nvmlDeviceGetFanSpeed")
def fan_speed(device: Device, percent: Any) -> None:
    wire.write(percent, device.values.fan_speed)


@device_function("nvmlDeviceGetFanSpeed_v2")
def fan_speed_of(device: Device, fan: Any, percent: Any) -> None:
    if device.values.fan_speed is not None and wire.number(fan) >= max(1, device.gpu.model.fans):
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    wire.write(percent, device.values.fan_speed)


@device_function("nvmlDeviceGetFanSpeedRPM")
def fan_speed_rpm(device: Device, speed: Any) -> None:
    speed = wire.target(speed)
    rpm = wire.value_or_raise(device.values.fan_speed_rpm)
    if speed.fan >= max(1, device.gpu.model.fans):
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    speed.speed = 0 if speed.fan in device.gpu.fans_stopped else rpm
