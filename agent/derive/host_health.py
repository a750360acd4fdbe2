"""Whether the host is well, beside each of its GPUs: whether they are all there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import AT_ONCE, Finding, HealthVerdict, critical, warning
from agent.derive.health import Health
from agent.derive.once import once_per_snapshot

if TYPE_CHECKING:
    from agent.readings import Snapshot

HOST_KINDS = (
    NO_DRIVER := critical(
        "no_driver",
        "the driver does not answer, and EXPECTED_GPUS is set",
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
        "it counts at least EXPECTED_GPUS, but fewer than it has counted since the agent started",
        "until a restart",
        "nvmlDeviceGetCount, also in a new process",
    ),
)


@once_per_snapshot
def examine_host(snapshot: Snapshot) -> Health:
    """The health of the host. A GPU that is lost is still there; its own verdict says the rest."""
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
                " reseat or replace what stays away",
            )
        )
    gone = census.seen - count
    return _judged(
        GPUS_GONE.found(
            "The GPU that was there is gone"
            if census.seen == 1
            else f"{gone} of the {census.seen} GPUs that were there {_are(gone)} gone",
            "see lspci and dmesg; if this is intended, restart the agent",
        )
    )


def _judged(finding: Finding) -> Health:
    return Health(finding.verdict, (finding,))


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
