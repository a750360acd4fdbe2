"""Temperatures of one GPU, and their thresholds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thermal:
    """Temperatures and thresholds (nvmlDeviceGetTemperatureThreshold).

    Ada, Hopper and newer report a margin instead of the thresholds (T.Limit in nvidia-smi): by how much the
    GPU may still get hotter, and the margins at which the driver or the hardware acts. Each can be below
    zero.
    """

    gpu_celsius: int | None = None  # nvmlDeviceGetTemperature, GPU sensor
    memory_celsius: int | None = None  # field value 82
    shutdown_celsius: int | None = None  # threshold
    slowdown_celsius: int | None = None  # threshold: hardware slowdown begins
    max_operating_celsius: int | None = None  # threshold: software slowdown begins
    memory_max_celsius: int | None = None  # threshold of the memory: software slowdown begins
    margin_celsius: int | None = None  # nvmlDeviceGetMarginTemperature
    shutdown_margin_celsius: int | None = None  # field value 193
    slowdown_margin_celsius: int | None = None  # field value 194: hardware slowdown begins
    memory_max_margin_celsius: int | None = None  # field value 195, of the memory: software slowdown begins
    max_operating_margin_celsius: int | None = None  # field value 196: software slowdown begins
