"""Recovery action and repairs that the driver asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import VALUE_NOT_AVAILABLE_32, FieldId, NvmlFailure, NvmlReturn, RecoveryAction
from agent.simulation.nvml.registry import device_function, field_value

if TYPE_CHECKING:
    from agent.simulation.library import Device


@field_value(FieldId.GPU_RECOVERY_ACTION)
def recovery_action(device: Device, _scope: int) -> int | None:
    return device.gpu.error_counters.recovery_action if device.library.recovery_action else None


@field_value(FieldId.RESET_STATUS)
def reset_status(device: Device, _scope: int) -> int:
    return _asks_for(device, RecoveryAction.GPU_RESET)


@field_value(FieldId.DRAIN_AND_RESET_STATUS)
def drain_and_reset_status(device: Device, _scope: int) -> int:
    return _asks_for(device, RecoveryAction.DRAIN_AND_RESET)


def _asks_for(device: Device, action: RecoveryAction) -> int:
    if device.library.recovery_action:
        return NvmlReturn.DEPRECATED
    return int(device.gpu.error_counters.recovery_action == action)


@device_function("nvmlDeviceGetRepairStatus")
def repair_status(device: Device, status: Any) -> None:
    """Two answers in one struct; the call fails if the GPU reports neither."""
    counters = device.gpu.error_counters
    channel, tpc = counters.channel_repair_pending, counters.tpc_repair_pending
    if isinstance(channel, NvmlReturn) and isinstance(tpc, NvmlReturn):
        raise NvmlFailure(channel)
    status = wire.target(status)
    status.bChannelRepairPending = wire.value_or_marker(channel, VALUE_NOT_AVAILABLE_32)
    status.bTpcRepairPending = wire.value_or_marker(tpc, VALUE_NOT_AVAILABLE_32)
