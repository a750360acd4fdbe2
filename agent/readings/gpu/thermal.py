"""How hot one GPU is, and how hot it may get."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thermal:
    """Temperatures, and the thresholds at which something happens (nvmlDeviceGetTemperatureThreshold)."""

    gpu_celsius: int | None = None  # nvmlDeviceGetTemperature, GPU sensor
    memory_celsius: int | None = None  # field value 82
    shutdown_celsius: int | None = None  # threshold
    slowdown_celsius: int | None = None  # threshold: hardware slowdown begins
    max_operating_celsius: int | None = None  # threshold: software slowdown begins
    memory_max_celsius: int | None = None  # threshold of the memory: software slowdown begins
