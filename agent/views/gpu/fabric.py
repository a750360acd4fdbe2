"""The NVLink fabric that one GPU belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.readings import FabricConfiguration, FabricHealthSummary, FabricState

if TYPE_CHECKING:
    from enum import IntEnum

    from agent.readings import Fabric


class GpuFabricHealth(BaseModel):
    """The GPU's part of the fabric; null: the GPU does not report it."""

    summary: str | None = Field(description="healthy, unhealthy or limited_capacity")
    bandwidth_degraded: bool | None = Field(description="whether the NVLink bandwidth is reduced")
    route_recovery_in_progress: bool | None = Field(description="whether a route is being restored")
    route_unhealthy: bool | None = Field(description="whether restoring a route failed")
    access_timeout_recovery: bool | None = Field(
        description="whether a memory access over the fabric timed out and is being recovered"
    )
    incorrect_configuration: str | None = Field(
        description="none, or what is wrong: incorrect_sysguid, incorrect_chassis_sn, no_partition,"
        " insufficient_nvlinks, incompatible_gpu_fw, invalid_location or gpu_state_invalid"
    )
    partition_assigned: bool | None = Field(description="whether the GPU belongs to a partition")
    manager_connected: bool | None = Field(description="whether the Global Fabric Manager is connected")


class GpuFabric(BaseModel):
    """NVML: nvmlDeviceGetGpuFabricInfoV. Without a completed registration CUDA does not start."""

    state: str | None = Field(
        description="state of the registration: not_started, in_progress or completed; null: there is no"
        " fabric"
    )
    status: str | None = Field(
        description="result of the completed registration, in NVML's words: Success, or its error"
    )
    cluster_uuid: str | None = Field(description="UUID of the GPUs that the fabric connects across machines")
    clique_id: int | None = Field(description="number of the clique, whose GPUs reach each other")
    health: GpuFabricHealth


def fabric_view(fabric: Fabric) -> GpuFabric:
    """The wire shape of the fabric."""
    return GpuFabric(
        state=_name(FabricState, fabric.state),
        status=fabric.status_words,
        cluster_uuid=fabric.cluster_uuid,
        clique_id=fabric.clique_id,
        health=GpuFabricHealth(
            summary=_name(FabricHealthSummary, fabric.health_summary),
            bandwidth_degraded=fabric.bandwidth_degraded,
            route_recovery_in_progress=fabric.route_recovery_in_progress,
            route_unhealthy=fabric.route_unhealthy,
            access_timeout_recovery=fabric.access_timeout_recovery,
            incorrect_configuration=_name(FabricConfiguration, fabric.incorrect_configuration),
            partition_assigned=fabric.partition_assigned,
            manager_connected=fabric.manager_connected,
        ),
    )


def _name(names: type[IntEnum], number: int | None) -> str | None:
    """In lower case; a number that is newer than the names stands for itself."""
    if number is None:
        return None
    return names(number).name.lower() if number in set(names) else str(number)
