"""What power one GPU draws, and what limits it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Power:
    """NVML tells power in mW and energy in mJ."""

    usage_watts: float | None = None  # nvmlDeviceGetPowerUsage
    average_watts: float | None = None  # field value 185: over one second
    instant_watts: float | None = None  # field value 186
    limit_watts: float | None = None  # nvmlDeviceGetPowerManagementLimit
    enforced_limit_watts: float | None = None  # nvmlDeviceGetEnforcedPowerLimit: the least in force
    default_limit_watts: float | None = None  # nvmlDeviceGetPowerManagementDefaultLimit
    energy_joules: float | None = None  # nvmlDeviceGetTotalEnergyConsumption, since the driver was loaded
