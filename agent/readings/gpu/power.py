"""The power draw of one GPU, and its limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Power:
    """NVML reports power in mW and energy in mJ. Of several sources the first that reports a value counts."""

    usage_watts: float | None = None  # nvmlDeviceGetPowerUsage, or field value 186, or 185
    average_watts: float | None = None  # field value 185: over one second
    instant_watts: float | None = None  # field value 186
    # nvmlDeviceGetPowerManagementLimit, or the enforced limit, or field value 192, or 190
    limit_watts: float | None = None
    # nvmlDeviceGetEnforcedPowerLimit, or field value 190: the least in force
    enforced_limit_watts: float | None = None
    # nvmlDeviceGetPowerManagementDefaultLimit, or field value 189
    default_limit_watts: float | None = None
    # nvmlDeviceGetPowerManagementLimitConstraints, or field values 187 and 188: what the limit can be set to
    min_limit_watts: float | None = None
    max_limit_watts: float | None = None
    memory_average_watts: float | None = None  # field value 185 of the scope of the memory
    memory_instant_watts: float | None = None  # field value 186 of that scope
    # Of a module that holds a CPU too (Grace): the same of its scope, and of its limit in force 190
    module_average_watts: float | None = None
    module_instant_watts: float | None = None
    module_limit_watts: float | None = None
    # nvmlDeviceGetTotalEnergyConsumption, or field value 83, or 191: since the driver was loaded
    energy_joules: float | None = None
