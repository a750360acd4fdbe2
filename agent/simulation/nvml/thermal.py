"""Temperatures, and their thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import FieldId, NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function, field_value

if TYPE_CHECKING:
    from agent.simulation.library import Device

_MARGIN_TEMPERATURE_V1 = 0x0100_0008


@device_function("nvmlDeviceGetTemperature")
def temperature(device: Device, sensor: Any, value: Any) -> None:
    _check_sensor(wire.number(sensor))
    wire.write(value, device.values.temperature)


@device_function("nvmlDeviceGetTemperatureV")
def temperature_v(device: Device, reading: Any) -> None:
    reading = wire.target(reading)
    _check_sensor(reading.sensorType)
    reading.temperature = wire.value_or_raise(device.values.temperature)


@device_function("nvmlDeviceGetTemperatureThreshold")
def temperature_threshold(device: Device, which: Any, value: Any) -> None:
    values = device.values
    thresholds = {  # nvmlTemperatureThresholds_t
        0: values.shutdown_threshold,
        1: values.slowdown_threshold,
        2: values.memory_max_threshold,
        3: values.max_operating_threshold,
    }
    wire.write(value, thresholds.get(wire.number(which)))


def _check_sensor(sensor: int) -> None:
    if sensor != 0:  # NVML_TEMPERATURE_GPU, the only one
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)


@device_function("nvmlDeviceGetMarginTemperature")
def margin(device: Device, info: Any) -> None:
    info = wire.target(info)
    if info.version != _MARGIN_TEMPERATURE_V1:
        raise NvmlFailure(NvmlReturn.ARGUMENT_VERSION_MISMATCH)
    info.marginTemperature = wire.value_or_raise(device.values.temperature_margin)


@field_value(FieldId.SHUTDOWN_TLIMIT, kind="signed")
def shutdown_tlimit(device: Device, _scope: int) -> int | None:
    return device.values.shutdown_tlimit


@field_value(FieldId.SLOWDOWN_TLIMIT, kind="signed")
def slowdown_tlimit(device: Device, _scope: int) -> int | None:
    return device.values.slowdown_tlimit


@field_value(FieldId.MEMORY_MAX_TLIMIT, kind="signed")
def memory_max_tlimit(device: Device, _scope: int) -> int | None:
    return device.values.memory_max_tlimit


@field_value(FieldId.MAX_OPERATING_TLIMIT, kind="signed")
def max_operating_tlimit(device: Device, _scope: int) -> int | None:
    return device.values.max_operating_tlimit


@field_value(FieldId.MEMORY_TEMP)
def memory_temperature(device: Device, _scope: int) -> int | None:
    return device.values.memory_temperature
