"""Power draw, its limits, and energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import VALUE_NOT_AVAILABLE_32, FieldId, NvmlReturn
from agent.simulation.nvml.registry import device_function, field_value

if TYPE_CHECKING:
    from agent.simulation.library import Device

_GPU, _MODULE, _MEMORY = 0, 1, 2  # nvmlPowerScopeType_t


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


@device_function("nvmlDeviceGetPowerManagementLimitConstraints")
def power_limits(device: Device, least: Any, most: Any) -> None:
    for argument, value in zip((least, most), wire.value_or_raise(device.values.power_limits), strict=True):
        wire.write(argument, wire.value_or_marker(value, VALUE_NOT_AVAILABLE_32))


@device_function("nvmlDeviceGetTotalEnergyConsumption")
def energy(device: Device, millijoules: Any) -> None:
    wire.write(millijoules, device.gpu.energy_mj.read())


@field_value(FieldId.POWER_AVERAGE)
def average_power(device: Device, scope: int) -> int | None:
    values = device.values
    averages = {
        _GPU: values.power_average,
        _MODULE: values.module_power_average,
        _MEMORY: values.memory_power_average,
    }
    return averages.get(scope, NvmlReturn.INVALID_ARGUMENT)


@field_value(FieldId.POWER_INSTANT)
def instant_power(device: Device, scope: int) -> int | None:
    values = device.values
    draws = {
        _GPU: values.power_instant,
        _MODULE: values.module_power_instant,
        _MEMORY: values.memory_power_instant,
    }
    return draws.get(scope, NvmlReturn.INVALID_ARGUMENT)


@field_value(FieldId.POWER_CURRENT_LIMIT)
def current_limit(device: Device, scope: int) -> int | None:
    return device.values.module_power_limit if scope == _MODULE else None
