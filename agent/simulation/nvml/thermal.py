"""Temperatures, and their thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import FieldId, NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function, field_value

if TYPE_CHECKING:
    from agent.simulation.library import Device


@device_function("nvmlDeviceGetTemperature")
def temperature(device: Device, sensor: Any, value: Any) -> None:
    _check_sensor(wire.number(sensor))
    wire.write(value, device.values.temperature)


@device_function("nvmlDeviceGetTemperatureV")
def temperature_v(device: Device, reading: Any) -> None:
    reading = wire.target(reading)
    _check_sensor(reading.sensorType)
    reading.temperature = wire.told(device.values.temperature)


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


@field_value(FieldId.MEMORY_TEMP)
def memory_temperature(device: Device, _scope: int) -> int | None:
    return device.values.memory_temperature
