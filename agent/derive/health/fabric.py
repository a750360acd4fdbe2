"""The NVLink fabric that the GPU belongs to. A GPU without a fabric has no finding about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import AT_ONCE, critical, warning
from agent.readings import FabricConfiguration, FabricHealthSummary, FabricState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.derive.findings import Finding, Patient
    from agent.readings import Fabric

PENDING_SECONDS = 300.0
_SOURCE = "nvmlDeviceGetGpuFabricInfoV"

KINDS = (
    FABRIC_NOT_READY := critical(
        "fabric_not_ready",
        "the registration with the fabric has not started or is in progress: CUDA does not start",
        "for 5 minutes, or at once with HISTORY_INTERVAL=0; meanwhile /free does not offer the GPU",
        _SOURCE,
    ),
    FABRIC_FAILED := critical(
        "fabric_failed",
        "the registration with the fabric has ended with an error: CUDA does not start",
        AT_ONCE,
        _SOURCE,
    ),
    FABRIC_UNHEALTHY := warning(
        "fabric_unhealthy",
        "the driver reports the GPU's part of the fabric unhealthy or of limited capacity, reduced bandwidth,"
        " an unhealthy route, a recovery, a wrong configuration, no partition or no fabric manager",
        AT_ONCE,
        _SOURCE,
    ),
)
_MANAGER = "see the log of the fabric manager, or of the NVLink switches; start it, then reset the GPU"
_PENDING: Mapping[int | None, str] = {
    FabricState.NOT_STARTED: "has not started",
    FabricState.IN_PROGRESS: "is in progress",
}
_SUMMARIES: Mapping[int | None, str] = {
    FabricHealthSummary.UNHEALTHY: "unhealthy",
    FabricHealthSummary.LIMITED_CAPACITY: "limited capacity",
}
_CONFIGURATIONS: Mapping[int | None, str] = {
    FabricConfiguration.INCORRECT_SYSGUID: "wrong system GUID",
    FabricConfiguration.INCORRECT_CHASSIS_SN: "wrong serial number of the chassis",
    FabricConfiguration.NO_PARTITION: "no partition",
    FabricConfiguration.INSUFFICIENT_NVLINKS: "too few NVLinks",
    FabricConfiguration.INCOMPATIBLE_GPU_FW: "incompatible GPU firmware",
    FabricConfiguration.INVALID_LOCATION: "invalid location",
    FabricConfiguration.GPU_STATE_INVALID: "invalid state of the GPU",
}


def judge(patient: Patient) -> Iterator[Finding]:
    """Judge the present state, and the time that a registration has taken."""
    fabric = patient.reading.fabric
    pending = pending_words(fabric)
    seconds = patient.lately.fabric_pending_seconds if patient.lately else None
    if pending is not None and (seconds is None or seconds >= PENDING_SECONDS):
        lasts = "" if seconds is None else f" for {seconds / 60:.0f} minutes"
        yield FABRIC_NOT_READY.found(
            f"The registration with the NVLink fabric {pending}{lasts}: CUDA does not start", _MANAGER
        )
    if has_failed(fabric):
        yield FABRIC_FAILED.found(
            f"The registration with the NVLink fabric failed with code {fabric.status}: CUDA does not start",
            _MANAGER,
        )
    faults = dict.fromkeys(_faults(fabric))
    if faults:
        yield FABRIC_UNHEALTHY.found(
            f"The GPU's part of the NVLink fabric is unhealthy: {', '.join(faults)}",
            "see nvidia-smi -q, and the log of the fabric manager or of the NVLink switches",
        )


def pending_words(fabric: Fabric) -> str | None:
    """The state of a registration that has not ended; None: it has, or there is no fabric."""
    return _PENDING.get(fabric.state)


def has_failed(fabric: Fabric) -> bool:
    """Whether the registration has ended with an error."""
    return fabric.state == FabricState.COMPLETED and bool(fabric.status)


def _faults(fabric: Fabric) -> Iterator[str]:
    """Each part of the health that is reported and bad."""
    if (summary := _SUMMARIES.get(fabric.health_summary)) is not None:
        yield summary
    if fabric.bandwidth_degraded:
        yield "reduced bandwidth"
    if fabric.route_unhealthy:
        yield "an unhealthy route"
    if fabric.route_recovery_in_progress:
        yield "a route is recovering"
    if fabric.access_timeout_recovery:
        yield "recovery from an access timeout"
    if (wrong := _CONFIGURATIONS.get(fabric.incorrect_configuration)) is not None:
        yield wrong
    if fabric.partition_assigned is False:
        yield "no partition"
    if fabric.manager_connected is False:
        yield "no connection to the fabric manager"
