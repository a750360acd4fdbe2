"""The NVLinks: whether all are up, and whether they are fast and stable."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from agent.derive.findings import AT_ONCE, warning
from agent.readings import NVSWITCH, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.derive.findings import Finding, Patient
    from agent.readings import GpuReading, NvLink, NvLinks, Snapshot

# By model, of the boards whose links all lead to NVSwitches. NVIDIA states them in its health-validation
# catalogue (H100, GB200, GB300) and in the data sheets and white papers of the others.
LINKS_OF_MODEL: Mapping[str | None, int] = {
    "NVIDIA A100-SXM4-40GB": 12,
    "NVIDIA A100-SXM4-80GB": 12,
    "NVIDIA H100 80GB HBM3": 18,
    "NVIDIA H200": 18,
    "NVIDIA B200": 18,
    "NVIDIA GB200": 18,
    "NVIDIA GB300": 18,
}

# MB/s of one link in one direction, by NVIDIA's health-validation catalogue.
SPEED_OF_MODEL: Mapping[str | None, int] = {
    "NVIDIA H100 80GB HBM3": 26_562,
    "NVIDIA GB200": 53_125,
    "NVIDIA GB300": 53_125,
}
# Drivers round the speed in their own ways; a link that has fallen back is far below.
SLOW_SHARE = 0.9

_SUCCESS = "NVML_SUCCESS"  # the call that reports links succeeded

KINDS = (
    NVLINK_DOWN := warning(
        "nvlink_down",
        "fewer links up than this GPU has had, than another GPU of this model behind the same NVSwitches has,"
        " or, behind NVSwitches, than NVIDIA states for the model; not in MIG mode",
        AT_ONCE,
        "nvmlDeviceGetNvLinkState",
    ),
    NVLINK_SLOW := warning(
        "nvlink_slow",
        "a link to an NVSwitch below 90 % of the speed of the fastest such link on the GPUs of this model,"
        " or of what NVIDIA states for the model",
        AT_ONCE,
        "field values 164 and 90",
    ),
    NVLINK_RECOVERY := warning(
        "nvlink_recovery",
        "a link was lost and trained again",
        "an hour",
        "field value 215, or nvmlDeviceGetNvLinkErrorCounter",
    ),
)


def expected_links(snapshot: Snapshot) -> Mapping[int, int]:
    """How many links of each GPU should be up, by index.

    The most that this card had at once, or that another card of its model behind NVSwitches has: behind
    NVSwitches all cards are connected alike, but with a bridge, or on a board without a switch, each card can
    have another number. For the same reason the number that NVIDIA states for the model counts only for a GPU
    with links to NVSwitches.
    """
    behind = {gpu.index for gpu in snapshot.gpus if NVSWITCH in (gpu.values.nvlink.peers or ())}
    to_switches: dict[str | None, int] = defaultdict(int)
    for gpu in snapshot.gpus:
        if gpu.index in behind:
            model = gpu.identity.name
            to_switches[model] = max(to_switches[model], gpu.values.nvlink.most_active)
    return {
        gpu.index: max(
            gpu.values.nvlink.most_active,
            to_switches[gpu.identity.name],
            LINKS_OF_MODEL.get(gpu.identity.name, 0) if gpu.index in behind else 0,
        )
        for gpu in snapshot.gpus
    }


def expected_speeds(snapshot: Snapshot) -> Mapping[str | None, int]:
    """The expected speed of a link to an NVSwitch, MB/s, by model; 0: unknown."""
    speeds: dict[str | None, int] = defaultdict(int)
    for gpu in snapshot.gpus:
        model = gpu.identity.name
        reported = [link.speed_megabytes_per_second or 0 for link in _to_switches(gpu.values.nvlink)]
        speeds[model] = max(speeds[model], SPEED_OF_MODEL.get(model, 0), *reported)
    return speeds


def _to_switches(nvlink: NvLinks) -> Iterator[NvLink]:
    return (link for link in nvlink.links or () if link.is_active and link.peer == NVSWITCH)


def _has_none(reading: GpuReading) -> bool:
    """Whether the driver reports that there is no link; it does so also for a GPU whose links were never up.

    An error of the driver does not count.
    """
    unknown = reading.unknown.get("nvlink.links")
    return unknown is not None and unknown.error == _SUCCESS and unknown.reason is Reason.NOT_SUPPORTED


def judge(patient: Patient) -> Iterator[Finding]:
    """Judge nothing in MIG mode, in which an A100 switches its links off."""
    links = patient.reading.nvlink.links
    if patient.reading.mig.enabled or (links is None and not _has_none(patient.reading)):
        return
    active = sum(link.is_active for link in links or ())
    if active < patient.expected_nvlinks:
        yield NVLINK_DOWN.found(
            f"{patient.expected_nvlinks - active} of its {patient.expected_nvlinks} NVLinks down",
            "see nvidia-smi nvlink --status and the fabric manager's log; reset the GPU",
        )
    slow = [
        link
        for link in _to_switches(patient.reading.nvlink)
        if link.speed_megabytes_per_second is not None
        and link.speed_megabytes_per_second < SLOW_SHARE * patient.expected_nvlink_megabytes
    ]
    if slow:
        yield NVLINK_SLOW.found(
            f"{len(slow)} of its NVLinks at {min(link.speed_megabytes_per_second or 0 for link in slow)} MB/s"
            f" instead of {patient.expected_nvlink_megabytes}",
            "see nvidia-smi nvlink --status and the fabric manager's log; reset the GPU",
        )
    recoveries = patient.known_lately.nvlink_recoveries
    if recoveries:
        times = "once" if recoveries == 1 else f"{recoveries} times"
        yield NVLINK_RECOVERY.found(
            f"The NVLinks had to recover {times} in the last hour",
            "see nvidia-smi nvlink --errorcounters; if it continues, check the seat of the board",
        )
