"""XID errors, by NVIDIA's catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import Finding, HealthVerdict, Kind
from agent.derive.xid import Remedy, blame, look_up, remedy
from agent.derive.xid_catalogue import Action
from agent.readings import RecoveryAction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.derive.findings import Patient

# An application's XID matters for the GPU only while more of them may follow.
APPLICATION_XID_SECONDS = 600.0
# A GPU that needs a reset stays critical for a day, so that somebody notices. Only the kernel log reports a
# reset that has happened meanwhile.
HARDWARE_XID_SECONDS = 86_400.0

KINDS = (
    XID := Kind(
        "xid_N",
        (HealthVerdict.CRITICAL, HealthVerdict.WARNING),
        "XID N, by NVIDIA's immediate action: [see below](#xid-errors)",
        "10 minutes for an application's fault, else a day; or until a reset that the kernel log reports",
        "nvmlEventSetWait_v2, the kernel log (KERNEL_LOG)",
    ),
)

# By remedy; None: nothing is wrong.
_VERDICTS: Mapping[Remedy, tuple[HealthVerdict, float] | None] = {
    Remedy.NONE: None,
    Remedy.APPLICATION: (HealthVerdict.WARNING, APPLICATION_XID_SECONDS),
    Remedy.RESET: (HealthVerdict.CRITICAL, HARDWARE_XID_SECONDS),
    Remedy.REPLACE: (HealthVerdict.CRITICAL, HARDWARE_XID_SECONDS),
    Remedy.UNKNOWN: (HealthVerdict.WARNING, HARDWARE_XID_SECONDS),
}
_RESET = "stop what runs on it and reset it"
_BY_REMEDY: Mapping[Remedy, str] = {
    Remedy.APPLICATION: "most likely a fault of the program",
    Remedy.RESET: _RESET,
    Remedy.REPLACE: "reboot; if it comes back, have the GPU replaced",
    Remedy.UNKNOWN: "look it up in NVIDIA's catalogue of XID errors",
}
# For actions of NVIDIA that say more than the remedy.
_BY_ACTION: Mapping[Action | None, str] = {
    Action.CHECK_MECHANICALS: "switch the host off, and check the power cables and the seat of the card",
    Action.RESTART_VM: "restart the virtual machine that has it",
    Action.UPDATE_SWFW: "update the driver, and the vGPU software of guest and host",
    Action.CONTACT_SUPPORT: "if it comes back, ask the GPU's vendor",
    Action.WORKFLOW_NVLINK5_ERR: "see the XID's registers in dmesg; stop what runs on it and reset it",
}


def verdict_on(code: int, capability: tuple[int, int] | None) -> tuple[HealthVerdict, float] | None:
    """The verdict on a single XID, and for how many seconds; None: nothing is wrong."""
    return _VERDICTS[remedy(code, look_up(code, capability))]


def judge(patient: Patient) -> Iterator[Finding]:
    """Judge each code that is recent enough."""
    capability = patient.reading.identity.compute_capability
    for code, seen in sorted((patient.gpu.xids or {}).items()):
        judged = verdict_on(code, capability)
        if judged is None or seen.was_reset:
            continue
        verdict, lasts = judged
        row = look_up(code, capability)
        if patient.now - seen.last_at > lasts:
            continue
        asks_for_nothing = patient.reading.recovery.action == RecoveryAction.NONE
        # Whether it is fatal is in registers that NVML does not report; but newer drivers report the recovery
        # action.
        if row.immediate is Action.WORKFLOW_NVLINK5_ERR and asks_for_nothing:
            verdict = HealthVerdict.WARNING
        times = "" if seen.times == 1 else f", {seen.times} times"
        by = f", {'the last ' if times else ''}by {blamed}" if (blamed := blame(seen)) else ""
        todo = _BY_ACTION.get(row.immediate) or _BY_REMEDY[remedy(code, row)]
        yield Finding(f"xid_{code}", verdict, f"XID {code} ({row.meaning}){times}{by}", todo)
