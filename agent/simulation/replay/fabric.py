"""The NVLink fabric of one GPU of a document as the simulation has it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from agent.simulation.codes import NvmlReturn
from agent.simulation.fabric import Fabric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.simulation.replay.words import Section

_STATES = {"not started": 1, "in progress": 2, "completed": 3}  # nvmlGpuFabricState_t
_SUMMARIES = {"healthy": 1, "unhealthy": 2, "limited capacity": 3}
_DEGRADED = {"full": 0, "degraded": 1}
_TRUE = {"true": 1, "false": 0}
_CONFIGURATIONS = {  # NVML_GPU_FABRIC_HEALTH_MASK_INCORRECT_CONFIGURATION_*
    "none": 1,
    "incorrect sysguid": 2,
    "incorrect chassis sn": 3,
    "no partition": 4,
    "insufficient nvlinks": 5,
    "incompatible gpu fw": 6,
    "invalid location": 7,
    "gpu state invalid": 8,
}
_NO_UUID = bytes(16)


def replay_fabric(section: Section) -> Fabric:
    """The values of the fabric in the document; the rest of the struct is not reported."""
    clique = section.number("fabric/cliqueId")
    return Fabric(
        state=section.choice(_STATES, "fabric/state"),
        status=_status(section),
        cluster_uuid=_uuid(section),
        clique_id=0 if isinstance(clique, NvmlReturn) else clique,
        health_summary=_choice(section, _SUMMARIES, "summary") or 0,
        bandwidth_degraded=_flag(section, _DEGRADED, "bandwidth"),
        route_recovery_in_progress=_flag(section, _TRUE, "route_recovery_in_progress"),
        route_unhealthy=_flag(section, _TRUE, "route_unhealthy"),
        access_timeout_recovery=_flag(section, _TRUE, "access_timeout_recovery"),
        incorrect_configuration=_choice(section, _CONFIGURATIONS, "incorrect_configuration") or 0,
        partition_assigned=_flag(section, _TRUE, "partition_assigned"),
    )


def _status(section: Section) -> int:
    """The return code whose words these are."""
    text = section.text("fabric/status")
    if isinstance(text, NvmlReturn):
        return text
    return NvmlReturn.SUCCESS if text.lower() == "success" else NvmlReturn.UNKNOWN


def _uuid(section: Section) -> bytes:
    text = section.text("fabric/clusterUuid")
    try:
        return uuid.UUID(text).bytes if not isinstance(text, NvmlReturn) else _NO_UUID
    except ValueError:
        return _NO_UUID


def _choice(section: Section, meanings: Mapping[str, int], name: str) -> int | None:
    answer = section.choice(meanings, f"fabric/health/{name}")
    return None if isinstance(answer, NvmlReturn) else answer


def _flag(section: Section, meanings: Mapping[str, int], name: str) -> bool | None:
    answer = _choice(section, meanings, name)
    return None if answer is None else bool(answer)
