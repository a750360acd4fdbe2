"""What can be wrong with a GPU: one rule for each trouble, with the words for it and what to do.

A rule looks at one thing and knows nothing of the others; a new one is a function in `RULES`.
What is unknown is no reason: a GPU that tells little is judged by that little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.driver_errors import driver_errors
from agent.derive.findings import Finding, HealthVerdict
from agent.derive.pcie import expected_width
from agent.derive.throttling import ClocksEventReason
from agent.derive.unlisted import GHOST_PERCENT
from agent.derive.xid import Remedy, blame, look_up
from agent.readings import Fan, GpuState, RecoveryAction
from agent.readings.troubles import RESET, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.derive.findings import Patient
    from agent.readings import LinkSample

# An application's XID says something about the GPU only while it may be the first of many.
APPLICATION_XID_SECONDS = 600.0
# A GPU that needed a reset is not well because nobody looked at it for a while; a day is the time in which
# somebody does. A reset that happened meanwhile is told by the kernel log alone.
HARDWARE_XID_SECONDS = 86_400.0
# Cards whose fans stop when they are cool start them again between 50 and 60 degrees.
HOT_CELSIUS = 75
# One reading of a link may be of the moment in which it leaves its idle speed, or goes back to it.
READINGS_OF_A_SLOW_LINK = 2


_CANNOT_BE_READ = {
    GpuState.LOST: ("lost", HealthVerdict.CRITICAL),
    GpuState.STUCK: ("stuck", HealthVerdict.CRITICAL),
    GpuState.STALE: ("silent", HealthVerdict.WARNING),
}


def _unreadable(patient: Patient) -> Iterator[Finding]:
    gpu = patient.gpu
    if gpu.reading is None and gpu.state in _CANNOT_BE_READ:
        name, verdict = _CANNOT_BE_READ[gpu.state]
        yield Finding(name, verdict, gpu.error or UNREADABLE.what, gpu.todo or UNREADABLE.todo)


_XID_ADVICE = {
    Remedy.APPLICATION: (HealthVerdict.WARNING, APPLICATION_XID_SECONDS, "the program's fault most likely"),
    Remedy.RESET: (HealthVerdict.CRITICAL, HARDWARE_XID_SECONDS, "stop what runs on it and reset it"),
    Remedy.REPLACE: (
        HealthVerdict.CRITICAL,
        HARDWARE_XID_SECONDS,
        "reboot; if it comes back, have the GPU replaced",
    ),
    Remedy.UNKNOWN: (
        HealthVerdict.WARNING,
        HARDWARE_XID_SECONDS,
        "look it up in NVIDIA's catalogue of XID errors",
    ),
}


def _xids(patient: Patient) -> Iterator[Finding]:
    for code, seen in sorted((patient.gpu.xids or {}).items()):
        entry = look_up(code)
        if entry.remedy is Remedy.NONE or seen.was_reset:
            continue
        verdict, lasts, todo = _XID_ADVICE[entry.remedy]
        age = patient.now - seen.last_at
        if age <= lasts:
            times = "" if seen.times == 1 else f", {seen.times} times"
            by = f", {'the last ' if times else ''}by {blamed}" if (blamed := blame(seen)) else ""
            yield Finding(f"xid_{code}", verdict, f"XID {code} ({entry.meaning}){times}{by}", todo)


_RECOVERY_ADVICE = {
    RecoveryAction.GPU_RESET: RESET,
    RecoveryAction.NODE_REBOOT: "reboot the host",
    RecoveryAction.DRAIN_P2P: "stop what uses peer-to-peer transfers with it",
    RecoveryAction.DRAIN_AND_RESET: "let its work end, start no new one, then reset it",
    RecoveryAction.RECOVER_IMEX_DOMAIN: "recover the IMEX domain",
    RecoveryAction.BUS_RESET: "reset the PCIe bus it is on",
    RecoveryAction.SYSTEM_REBOOT: "reboot the system",
}


def _recovery(patient: Patient) -> Iterator[Finding]:
    action = patient.reading.recovery.action
    if patient.reading.recovery.requires_reset and action != RecoveryAction.GPU_RESET:
        yield Finding(
            "reset_required",
            HealthVerdict.CRITICAL,
            "The GPU requires a reset",
            _RECOVERY_ADVICE[RecoveryAction.GPU_RESET],
        )
    if action:
        todo = _RECOVERY_ADVICE.get(
            RecoveryAction(action) if action in set(RecoveryAction) else RecoveryAction.NONE,
            "see nvidia-smi -q",
        )
        yield Finding("recovery_action", HealthVerdict.CRITICAL, "The driver asks for a recovery", todo)


def _memory(patient: Patient) -> Iterator[Finding]:
    errors = patient.reading.memory_errors
    if errors.uncorrected_volatile:
        yield Finding(
            "ecc_uncorrected",
            HealthVerdict.CRITICAL,
            f"{errors.uncorrected_volatile} uncorrected ECC"
            f" error{'s' if errors.uncorrected_volatile > 1 else ''} since the driver was loaded",
            "its results cannot be trusted; stop what runs on it and reset it",
        )
    if errors.remapping_failed:
        yield Finding(
            "remapping_failed",
            HealthVerdict.CRITICAL,
            "A faulty row of memory could not be remapped",
            "have the GPU replaced",
        )
    if errors.remapping_pending:
        yield Finding(
            "remapping_pending",
            HealthVerdict.WARNING,
            "A faulty row of memory is remapped at the next reset",
            "reset the GPU when its work is done",
        )
    if errors.retirement_pending:
        yield Finding(
            "retirement_pending",
            HealthVerdict.WARNING,
            "A faulty page of memory is retired at the next reset",
            "reset the GPU when its work is done",
        )
    if errors.remap_banks and errors.remap_banks.none:
        yield Finding(
            "remap_banks_exhausted",
            HealthVerdict.WARNING,
            f"No spare rows are left in {errors.remap_banks.none} of its memory banks",
            "plan for a replacement",
        )


def _slowdown(patient: Patient) -> Iterator[Finding]:
    reasons = ClocksEventReason(patient.reading.clocks.event_reasons or 0)
    if ClocksEventReason.HW_THERMAL_SLOWDOWN in reasons:
        yield Finding(
            "thermal_slowdown_hw",
            HealthVerdict.CRITICAL,
            "It is too hot: the hardware slows it down to half or less",
            "look at airflow, fans and heat sink",
        )
    elif ClocksEventReason.SW_THERMAL_SLOWDOWN in reasons:
        yield Finding(
            "thermal_slowdown_sw",
            HealthVerdict.WARNING,
            "It is too hot: the driver slows it down",
            "look at airflow, fans and heat sink",
        )
    if ClocksEventReason.HW_POWER_BRAKE_SLOWDOWN in reasons:
        yield Finding(
            "power_brake",
            HealthVerdict.WARNING,
            "The power brake slows it down to half or less",
            "look at the power supplies and cables of the host",
        )


def _pcie(patient: Patient) -> Iterator[Finding]:
    pcie = patient.reading.pcie
    most, widest = pcie.max_generation, expected_width(pcie)

    def is_degraded(link: LinkSample) -> bool:
        slow = link.generation is not None and most is not None and link.generation < most
        narrow = link.width is not None and widest is not None and link.width < widest
        return link.is_under_load and (slow or narrow)

    if len(pcie.samples) == READINGS_OF_A_SLOW_LINK and all(map(is_degraded, pcie.samples)):
        yield Finding(
            "pcie_degraded",
            HealthVerdict.WARNING,
            _beside_the_best(pcie.samples[-1], most, widest),
            "reseat the card or its riser, and look at the slot's settings in the firmware",
        )


def _beside_the_best(link: LinkSample, most: int | None, widest: int | None) -> str:
    """The link beside what it could be, as far as both are known."""
    now, instead = [], []
    if link.generation is not None and most is not None:
        now, instead = [f"generation {link.generation}"], [str(most)]
    if link.width is not None and widest is not None:
        now, instead = [*now, f"x{link.width}"], [*instead, f"x{widest}"]
    return f"PCIe {' '.join(now)} under load, instead of {' '.join(instead)}"


def _nvlink(patient: Patient) -> Iterator[Finding]:
    if patient.reading.nvlink.links is None or patient.reading.mig.enabled:
        return  # in MIG mode an A100 switches its links off
    active = sum(link.is_active for link in patient.reading.nvlink.links)
    if active < patient.expected_nvlinks:
        yield Finding(
            "nvlink_down",
            HealthVerdict.WARNING,
            f"{patient.expected_nvlinks - active} of its {patient.expected_nvlinks} NVLinks down",
            "see nvidia-smi nvlink --status and the fabric manager's log; reset the GPU",
        )


def _stands_still(fan: Fan) -> bool:
    """Where the speed is measured, that is the truth; the percentage is what is intended."""
    return (fan.speed_percent if fan.speed_rpm is None else fan.speed_rpm) == 0


def _fan(patient: Patient) -> Iterator[Finding]:
    fans, temperature = patient.reading.fans, patient.reading.thermal.gpu_celsius
    if temperature is None or temperature < HOT_CELSIUS:
        return
    if fans.gpu_celsius is not None and fans.gpu_celsius < HOT_CELSIUS:
        return  # it was cool when the fans were read: they may be running by now
    # Where no fan is told apart, the older functions tell of the first.
    every = [fan for fan in fans.each if fan != Fan()] or [Fan(fans.speed_percent, fans.speed_rpm)]
    stopped = sum(map(_stands_still, every))
    if stopped:
        of_them = f"{stopped} of its {len(every)} fans" if len(every) > 1 else "Its fan"
        stands = "stands" if stopped == 1 else "stand"
        yield Finding(
            "fan_stopped",
            HealthVerdict.CRITICAL,
            f"{of_them} {stands} still at {temperature} degrees Celsius",
            "look whether the fan is blocked or broken",
        )


def _ghost_utilization(patient: Patient) -> Iterator[Finding]:
    if patient.has_ghost_utilization:
        yield Finding(
            "ghost_utilization",
            HealthVerdict.WARNING,
            f"At least {GHOST_PERCENT} % utilization for a minute, without a process or memory in use",
            "it can be used, but its utilization cannot be trusted; reload the driver or reboot",
        )


RULES: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
    _unreadable,
    _xids,
    _recovery,
    _memory,
    _slowdown,
    _pcie,
    _nvlink,
    _fan,
    _ghost_utilization,
    driver_errors,
)
