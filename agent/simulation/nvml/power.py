"""Power draw, its limits, and energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import FieldId
from agent.simulation.nvml.registry import device_function, field_value

if TYPE_CHECKING:
    from agent.simulation.library import Device


@device_function("nvmlDeviceGetPowerUsage")
def power_usage(device: Device, milliwatts: Any) -> None:
    wire.write(milliwatts, device.values.power_usage)


@device_function("nvmlDeviceGetPowerManagementLimit")
def power_limit(device: Device, milliwatts: Any) -> None:
    wire.write(milliwatts, device.values.power_limit)


@device_function("nvmlDeviceGetEnforcedPowerLimit")
def enforced_power_limit(device: Device, milliwatts: Any) -> None:
    wire.write(milliwatts, device.values.enforced_power_limit)


@device_function("nvmlDeviceGetPowerManagementDefaultLimit")
def default_power_limit(device: Device, milliwatts: Any) -> None:
    wire.write(milliwatts, device.values.default_power_limit)


@device_function("nvmlDeviceGetTotalEnergyConsumption")
def energy(device: Device, millijoules: Any) -> None:
    wire.write(millijoules, device.gpu.energy_mj.read())


@field_value(FieldId.POWER_AVERAGE)
def average_power(device: Device, _scope: int) -> int | None:
    return device.values.power_average


@field_value(FieldId.POWER_INSTANT)
def instant_power(device: Device, _scope: int) -> int | None:
    return device.values.power_instant
