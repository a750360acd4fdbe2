"""Recovery actions and repairs that the driver asks for, for one GPU."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class RecoveryAction(IntEnum):
    """The recovery action that the driver asks for (NVML: nvmlDeviceGpuRecoveryAction_t)."""

    NONE = 0
    GPU_RESET = 1
    NODE_REBOOT = 2
    DRAIN_P2P = 3
    DRAIN_AND_RESET = 4
    RECOVER_IMEX_DOMAIN = 5
    BUS_RESET = 6
    SYSTEM_REBOOT = 7


@dataclass(frozen=True, slots=True)
class Recovery:
    """Recovery action and pending repairs."""

    # Field value 230, else 226 and 227: one of RecoveryAction, or newer than it
    action: int | None = None
    requires_reset: bool = False  # some NVML function returned NVML_ERROR_RESET_REQUIRED at its last call
    # nvmlDeviceGetRepairStatus: a spare memory channel, or a TPC, takes over at the next reset
    channel_repair_pending: bool | None = None
    tpc_repair_pending: bool | None = None
