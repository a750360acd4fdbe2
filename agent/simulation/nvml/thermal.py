"""Utilization, temperature, power and fans."""

from __future__ import annotations

from typing import Any

from agent.simulation import wire
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import Device, device_function

SAMPLING_PERIOD_MICROSECONDS = 167_000  # a sixth of a second, as on real GPUs


@device_function("nvmlDeviceGetUtilizationRates", on_partitioned=False)
def utilization_rates(device: Device, rates: Any) -> None:
    rates = wire.target(rates)
    rates.gpu = wire.told(device.values.gpu_utilization)
    rates.memory = wire.told(device.values.memory_utilization)


@device_function("nvmlDeviceGetEncoderUtilization", on_partitioned=False)
def encoder_utilization(device: Device, percent: Any, period: Any) -> None:
    _write_engine(device.values.encoder_utilization, percent, period)


@device_function("nvmlDeviceGetDecoderUtilization", on_partitioned=False)
def decoder_utilization(device: Device, percent: Any, period: Any) -> None:
    _write_engine(device.values.decoder_utilization, percent, period)


@device_function("nvmlDeviceGetJpgUtilization", "nvmlDeviceGetOfaUtilization", on_partitioned=False)
def idle_engine_utilization(_: Device, percent: Any, period: Any) -> None:
    _write_engine(0, percent, period)


def _write_engine(value: int | None, percent: Any, period: Any) -> None:
    wire.write(percent, value)
    wire.write(period, SAMPLING_PERIOD_MICROSECONDS)


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
    model = device.gpu.model
    thresholds = {  # nvmlTemperatureThresholds_t
        0: model.slowdown_celsius + 8,  # shutdown
        1: model.slowdown_celsius + 5,  # slowdown by the hardware
        2: model.memory_max_celsius,
        3: model.slowdown_celsius,  # by the driver
    }
    wire.write(value, thresholds.get(wire.number(which)))


def _check_sensor(sensor: int) -> None:
    if sensor != 0:  # NVML_TEMPERATURE_GPU, the only one
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)


@device_function("nvmlDeviceGetPowerUsage")
def power_usage(device: Device, milliwatts: Any) -> None:
    wire.write(milliwatts, device.values.power_usage)


@device_function("nvmlDeviceGetPowerManagementLimit", "nvmlDeviceGetEnforcedPowerLimit")
def power_limit(device: Device, milliwatts: Any) -> None:
    wire.write(milliwatts, device.values.power_limit)


@device_function("nvmlDeviceGetPowerManagementDefaultLimit")
def default_power_limit(device: Device, milliwatts: Any) -> None:
    wire.write(milliwatts, 1000 * wire.told(device.gpu.model.power_limit_watts))


@device_function("nvmlDeviceGetTotalEnergyConsumption")
def energy(device: Device, millijoules: Any) -> None:
    wire.write(millijoules, device.gpu.energy_mj.read())


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
    rpm = wire.told(device.values.fan_speed_rpm)
    if speed.fan >= max(1, device.gpu.model.fans):
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    speed.speed = rpm
