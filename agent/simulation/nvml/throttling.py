"""Throttled time, in nanoseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import FieldId, NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function, field_value

if TYPE_CHECKING:
    from agent.simulation.library import Device

_POLICIES = {0: "power_cap", 1: "thermal", 2: "sync_boost"}  # nvmlPerfPolicyType_t; there are others


@device_function("nvmlDeviceGetViolationStatus")
def violation_status(device: Device, policy: Any, status: Any) -> None:
    name = _POLICIES.get(wire.number(policy))
    if name is None:
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    status = wire.target(status)
    status.referenceTime = int(device.library.wall_clock() * 1e6)
    status.violationTime = wire.value_or_raise(getattr(device.values, f"slowed_by_{name}"))


@field_value(FieldId.SLOWED_BY_POWER_CAP, kind="counter")
def power_cap(device: Device, _scope: int) -> int | None:
    return device.values.slowed_by_power_cap


@field_value(FieldId.SLOWED_BY_HEAT, kind="counter")
def thermal(device: Device, _scope: int) -> int | None:
    return device.values.slowed_by_thermal


@field_value(FieldId.SLOWED_BY_SYNC_BOOST, kind="counter")
def sync_boost(device: Device, _scope: int) -> int | None:
    return device.values.slowed_by_sync_boost


@field_value(FieldId.SLOWED_BY_SOFTWARE_HEAT, kind="counter")
def software_thermal(device: Device, _scope: int) -> int | None:
    return device.values.slowed_by_software_thermal


@field_value(FieldId.SLOWED_BY_HARDWARE_HEAT, kind="counter")
def hardware_thermal(device: Device, _scope: int) -> int | None:
    return device.values.slowed_by_hardware_thermal


@field_value(FieldId.SLOWED_BY_POWER_BRAKE, kind="counter")
def power_brake(device: Device, _scope: int) -> int | None:
    return device.values.slowed_by_power_brake
