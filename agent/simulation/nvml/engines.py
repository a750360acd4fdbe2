"""The engines beside the SMs: encoder, decoder, JPEG and optical flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import VALUE_NOT_AVAILABLE_32
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device

SAMPLING_PERIOD_MICROSECONDS = 167_000  # a sixth of a second, as on real GPUs


@device_function("nvmlDeviceGetEncoderUtilization", on_partitioned=False)
def encoder_utilization(device: Device, percent: Any, period: Any) -> None:
    _write_engine(device.values.encoder_utilization, percent, period)


@device_function("nvmlDeviceGetDecoderUtilization", on_partitioned=False)
def decoder_utilization(device: Device, percent: Any, period: Any) -> None:
    _write_engine(device.values.decoder_utilization, percent, period)


@device_function("nvmlDeviceGetJpgUtilization", on_partitioned=False)
def jpeg_utilization(device: Device, percent: Any, period: Any) -> None:
    _write_engine(device.values.jpeg_utilization, percent, period)


@device_function("nvmlDeviceGetEncoderStats")
def encoder_stats(device: Device, sessions: Any, fps: Any, latency: Any) -> None:
    stats = _parts(device.values.encoder_stats)
    for argument, value in zip((sessions, fps, latency), stats, strict=True):
        wire.write(argument, value)


@device_function("nvmlDeviceGetFBCStats")
def capture_stats(device: Device, stats: Any) -> None:
    stats = wire.target(stats)
    stats.sessionsCount, stats.averageFPS, stats.averageLatency = _parts(device.values.capture_stats)


def _parts(stats: tuple[int, ...] | None) -> list[int]:
    return [wire.value_or_marker(part, VALUE_NOT_AVAILABLE_32) for part in wire.value_or_raise(stats)]


@device_function("nvmlDeviceGetOfaUtilization", on_partitioned=False)
def ofa_utilization(device: Device, percent: Any, period: Any) -> None:
    _write_engine(device.values.ofa_utilization, percent, period)


def _write_engine(value: int | None, percent: Any, period: Any) -> None:
    wire.write(percent, value)
    wire.write(period, SAMPLING_PERIOD_MICROSECONDS)
