"""What power one GPU draws, and what limits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.rounding import percent, tenths, whole

if TYPE_CHECKING:
    from agent.readings import Power


class GpuPower(BaseModel):
    """NVML: nvmlDeviceGetPowerUsage, nvmlDeviceGetPowerManagementLimit."""

    usage_watts: float | None = Field(description="power draw, watts")
    limit_watts: float | None = Field(description="power management limit, watts")
    budget_watts: float | None = Field(
        description="power limit minus power draw, watts; 0 where the draw is above the limit"
    )
    efficiency_percent: int | None = Field(description="power draw in percent of the limit")


def power_view(power: Power) -> GpuPower:
    """The wire shape of draw and limit."""
    return GpuPower(
        usage_watts=tenths(power.usage_watts),
        limit_watts=tenths(power.limit_watts),
        budget_watts=None
        if power.limit_watts is None or power.usage_watts is None
        else tenths(max(0.0, power.limit_watts - power.usage_watts)),
        efficiency_percent=whole(percent(power.usage_watts, power.limit_watts)),
    )


class GpuMemoryPower(BaseModel):
    """NVML: field values 185 and 186, scope 2: of the GPU's memory alone, which is a part of the GPU's."""

    instant_watts: float | None = Field(description="power draw at this moment, watts")
    average_watts: float | None = Field(description="mean power draw over the last second, watts")


class GpuModulePower(BaseModel):
    """NVML: field values 185, 186 and 190, scope 1: of a module with a CPU, as Grace Hopper is one."""

    instant_watts: float | None = Field(description="power draw at this moment, watts")
    average_watts: float | None = Field(description="mean power draw over the last second, watts")
    limit_watts: float | None = Field(description="power limit in force, watts")


class GpuPowerDetail(BaseModel):
    """NVML: field values 185 and 186, nvmlDeviceGetEnforcedPowerLimit, PowerManagementLimitConstraints,
    TotalEnergyConsumption.
    """

    instant_watts: float | None = Field(description="power draw at this moment, watts")
    average_watts: float | None = Field(description="mean power draw over the last second, watts")
    enforced_limit_watts: float | None = Field(description="lowest of all power limits in force, watts")
    default_limit_watts: float | None = Field(description="default power management limit, watts")
    min_limit_watts: float | None = Field(description="lowest limit that can be set, watts")
    max_limit_watts: float | None = Field(description="highest limit that can be set, watts")
    memory: GpuMemoryPower
    module: GpuModulePower
    energy_joules: float | None = Field(description="energy used since the driver was loaded, joules")


def power_detail_view(power: Power) -> GpuPowerDetail:
    """The wire shape of what else there is."""
    return GpuPowerDetail(
        instant_watts=tenths(power.instant_watts),
        average_watts=tenths(power.average_watts),
        enforced_limit_watts=tenths(power.enforced_limit_watts),
        default_limit_watts=tenths(power.default_limit_watts),
        min_limit_watts=tenths(power.min_limit_watts),
        max_limit_watts=tenths(power.max_limit_watts),
        memory=GpuMemoryPower(
            instant_watts=tenths(power.memory_instant_watts),
            average_watts=tenths(power.memory_average_watts),
        ),
        module=GpuModulePower(
            instant_watts=tenths(power.module_instant_watts),
            average_watts=tenths(power.module_average_watts),
            limit_watts=tenths(power.module_limit_watts),
        ),
        energy_joules=tenths(power.energy_joules),
    )
