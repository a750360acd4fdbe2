"""Recovery actions and repairs that the driver asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import AT_ONCE, RESET_LATER, critical, warning
from agent.readings import RecoveryAction
from agent.readings.troubles import RESET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.findings import Finding, Patient


_REPAIR = "nvmlDeviceGetRepairStatus"

KINDS = (
    RESET_REQUIRED := critical(
        "reset_required",
        'some call answers "requires a reset"; what the driver still reports, such as processes, is shown',
        AT_ONCE,
        "any NVML function",
    ),
    RECOVERY_ACTION := critical(
        "recovery_action",
        "the driver asks for a reset, a reboot or another recovery (before R570 at most for resets)",
        AT_ONCE,
        "field values 230, 226 and 227",
    ),
    CHANNEL_REPAIR_PENDING := warning(
        "channel_repair_pending", "a channel of memory is repaired at the next reset", AT_ONCE, _REPAIR
    ),
    TPC_REPAIR_PENDING := warning(
        "tpc_repair_pending",
        "a TPC, which is a group of SMs, is repaired at the next reset",
        AT_ONCE,
        _REPAIR,
    ),
)
_ADVICE = {
    RecoveryAction.GPU_RESET: RESET,
    RecoveryAction.NODE_REBOOT: "reboot the host",
    RecoveryAction.DRAIN_P2P: "stop all programs that use peer-to-peer transfers with this GPU",
    RecoveryAction.DRAIN_AND_RESET: "let its work end, start no new work, then reset the GPU",
    RecoveryAction.RECOVER_IMEX_DOMAIN: "recover the IMEX domain",
    RecoveryAction.BUS_RESET: "reset the PCIe bus it is on",
    RecoveryAction.SYSTEM_REBOOT: "reboot the system",
}


def judge(patient: Patient) -> Iterator[Finding]:
    """A recovery that is reported in two ways makes one finding."""
    action = patient.reading.recovery.action
    if patient.reading.recovery.requires_reset and action != RecoveryAction.GPU_RESET:
        yield RESET_REQUIRED.found("The GPU requires a reset", _ADVICE[RecoveryAction.GPU_RESET])
    if action:
        todo = _ADVICE.get(
            RecoveryAction(action) if action in set(RecoveryAction) else RecoveryAction.NONE,
            "see nvidia-smi -q",
        )
        yield RECOVERY_ACTION.found("The driver asks for a recovery", todo)
    if patient.reading.recovery.channel_repair_pending:
        yield CHANNEL_REPAIR_PENDING.found(
            "A faulty channel of memory is repaired at the next reset", RESET_LATER
        )
    if patient.reading.recovery.tpc_repair_pending:
        yield TPC_REPAIR_PENDING.found(
            "A faulty TPC, a group of SMs, is repaired at the next reset", RESET_LATER
        )
