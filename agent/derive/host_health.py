"""The health of the host: whether all its GPUs are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import AT_ONCE, Finding, HealthVerdict, critical, warning
from agent.derive.health import Health
from agent.derive.not_offered import entries_without_gpu
from agent.derive.once import once_per_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import Snapshot

HOST_KINDS = (
    NO_DRIVER := critical(
        "no_driver",
        "the driver does not answer, and EXPECTED_GPUS is set; while it hangs after it has answered, each GPU"
        " is stuck instead",
        AT_ONCE,
        "nvmlInit and nvmlDeviceGetCount",
    ),
    GPUS_MISSING := critical(
        "gpus_missing",
        "the driver counts fewer GPUs than EXPECTED_GPUS",
        AT_ONCE,
        "nvmlDeviceGetCount, also in a new process",
    ),
    GPUS_GONE := warning(
        "gpus_gone",
        "the driver counts at least EXPECTED_GPUS, but fewer than it has counted since the agent started",
        "until a restart; with STATE_DIR for up to 14 days after it",
        "nvmlDeviceGetCount, also in a new process",
    ),
    FELL_OFF := critical(
        "gpu_fell_off_the_bus",
        "a GPU that the driver does not list fell off the bus",
        "until a reboot, or until its reset",
        "the kernel log (KERNEL_LOG)",
    ),
    SXID := critical(
        "sxid_N",
        "an NVSwitch reported the fatal error SXID N",
        "a day, or until its reset",
        "the kernel log (KERNEL_LOG)",
    ),
    NOT_OFFERED_UNKNOWN := warning(
        "not_offered_unknown",
        "NOT_OFFERED names a GPU that the driver does not list",
        AT_ONCE,
        "nvmlDeviceGetCount, nvmlDeviceGetUUID",
    ),
)


# A fatal error of a switch stays a finding for as long as an XID of a GPU: see health/xid.py.
SXID_SECONDS = 86_400.0


@once_per_snapshot
def examine_host(snapshot: Snapshot) -> Health:
    """The health of the host. A GPU that is lost is still there; its own verdict says the rest."""
    count = _judge_count(snapshot)
    others = [*_fallen(snapshot), *_sxids(snapshot), *_not_offered(snapshot)]
    if not others:
        return count
    findings = sorted([*count.findings, *others], key=lambda finding: -finding.verdict)
    return Health(findings[0].verdict, tuple(findings))


def _fallen(snapshot: Snapshot) -> Iterator[Finding]:
    places = snapshot.kernel_log.fallen if snapshot.kernel_log else ()
    if places:
        one = len(places) == 1
        yield FELL_OFF.found(
            f"The kernel log reports that the {'GPU' if one else 'GPUs'} at {', '.join(places)} fell off the"
            f" bus, and the driver does not list {'it' if one else 'them'}",
            "power-cycle the host, and reseat or replace GPUs that stay missing",
        )


def _sxids(snapshot: Snapshot) -> Iterator[Finding]:
    """One finding for each code, because findings are distinguished by name.

    The text has no counts and no link, because every change of a finding is logged.
    """
    reports: dict[int, list[str]] = {}
    for switch in snapshot.kernel_log.switches if snapshot.kernel_log else ():
        for code, seen in switch.sxids.items():
            if seen.fatal and not seen.was_reset and snapshot.taken_at - seen.last_at <= SXID_SECONDS:
                reports.setdefault(code, []).append(f"NVSwitch {switch.index}")
    for code, switches in sorted(reports.items()):
        yield Finding(
            f"sxid_{code}",
            HealthVerdict.CRITICAL,
            f"The kernel log reports the fatal error SXID {code}: {', '.join(switches)}",
            "see the log of the Fabric Manager; stop all jobs, then reset the GPUs and switches, or reboot",
        )


def _not_offered(snapshot: Snapshot) -> Iterator[Finding]:
    if names := entries_without_gpu(snapshot):
        yield NOT_OFFERED_UNKNOWN.found(
            f"NOT_OFFERED names {', '.join(names)}, and the driver lists no such GPU",
            "correct NOT_OFFERED, and restart the agent; if that GPU was there before, find out why it is"
            " gone",
        )


def _judge_count(snapshot: Snapshot) -> Health:
    census, driver = snapshot.census, snapshot.driver
    if driver is None:
        if snapshot.driver_error is None or not census.expected:
            return Health(None)
        return _judged(
            NO_DRIVER.found(
                "The NVIDIA driver does not answer, and "
                + ("a GPU is expected" if census.expected == 1 else f"{census.expected} GPUs are expected"),
                "see the error of /status, or the log of the agent",
            )
        )
    count = driver.gpu_count
    if count >= max(census.expected, census.seen):
        return Health(HealthVerdict.HEALTHY)
    if not census.is_confirmed:
        return Health(None)
    if count < census.expected:
        missing = census.expected - count
        return _judged(
            GPUS_MISSING.found(
                "The expected GPU is missing"
                if census.expected == 1
                else f"{missing} of the {census.expected} expected GPUs {_are(missing)} missing",
                "see lspci and dmesg, and in a container NVIDIA_VISIBLE_DEVICES; power-cycle the host, and"
                " reseat or replace GPUs that stay missing",
            )
        )
    gone = census.seen - count
    return _judged(
        GPUS_GONE.found(
            "The GPU that was there is gone"
            if census.seen == 1
            else f"{gone} of the {census.seen} GPUs that were there {_are(gone)} gone",
            "see lspci and dmesg; if this is intended, set EXPECTED_GPUS and restart the agent",
        )
    )


def _judged(finding: Finding) -> Health:
    return Health(finding.verdict, (finding,))


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
