"""The NVLink fabric that one GPU belongs to: without it CUDA does not start on a machine with NVSwitches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class FabricState(IntEnum):
    """The state of the GPU's registration (NVML: nvmlGpuFabricState_t)."""

    NOT_STARTED = 1
    IN_PROGRESS = 2
    COMPLETED = 3


class FabricHealthSummary(IntEnum):
    """The health of the GPU's part of the fabric in one word (NVML: NVML_GPU_FABRIC_HEALTH_SUMMARY_*)."""

    HEALTHY = 1
    UNHEALTHY = 2
    LIMITED_CAPACITY = 3


class FabricConfiguration(IntEnum):
    """What is wrong with the fabric's configuration (NVML: ..._HEALTH_MASK_INCORRECT_CONFIGURATION_*)."""

    NONE = 1  # nothing is
    INCORRECT_SYSGUID = 2
    INCORRECT_CHASSIS_SN = 3
    NO_PARTITION = 4
    INSUFFICIENT_NVLINKS = 5
    INCOMPATIBLE_GPU_FW = 6
    INVALID_LOCATION = 7
    GPU_STATE_INVALID = 8


@dataclass(frozen=True, slots=True)
class Fabric:
    """nvmlDeviceGetGpuFabricInfoV, else nvmlDeviceGetGpuFabricInfo, which reports no health.

    All fields are None on a GPU without a fabric, and each part of the health that the GPU does not report is
    None.
    """

    state: int | None = None  # one of FabricState, or newer than it
    status: int | None = None  # nvmlReturn_t of the registration; None until the state is COMPLETED
    status_words: str | None = None  # NVML's: "Success"
    cluster_uuid: str | None = None  # of the GPUs that the fabric connects
    clique_id: int | None = None  # of those among them that can reach each other
    health_summary: int | None = None  # one of FabricHealthSummary, or newer than it
    bandwidth_degraded: bool | None = None
    route_recovery_in_progress: bool | None = None
    route_unhealthy: bool | None = None
    access_timeout_recovery: bool | None = None
    incorrect_configuration: int | None = None  # one of FabricConfiguration, or newer than it
    partition_assigned: bool | None = None
    manager_connected: bool | None = None  # to the Global Fabric Manager
