"""The part of one simulated GPU in the NVLink fabric, which can be set freely."""

from __future__ import annotations

from dataclasses import dataclass

NOT_SUPPORTED, NOT_STARTED, IN_PROGRESS, COMPLETED = range(4)  # nvmlGpuFabricState_t
HEALTHY, UNHEALTHY, LIMITED_CAPACITY = 1, 2, 3  # NVML_GPU_FABRIC_HEALTH_SUMMARY_*; 0: not supported


@dataclass
class Fabric:
    """The values of nvmlDeviceGetGpuFabricInfoV. As values of a GPU, the state can be an NvmlReturn."""

    state: int = NOT_SUPPORTED
    status: int = 0  # nvmlReturn_t of the registration
    cluster_uuid: bytes = bytes(16)
    clique_id: int = 0
    health_summary: int = 0
    # None: not supported
    bandwidth_degraded: bool | None = None
    route_recovery_in_progress: bool | None = None
    route_unhealthy: bool | None = None
    access_timeout_recovery: bool | None = None
    incorrect_configuration: int = 0  # NVML_GPU_FABRIC_HEALTH_MASK_INCORRECT_CONFIGURATION_*
    partition_assigned: bool | None = None
    manager_connected: bool | None = None

    @property
    def health_mask(self) -> int:
        """NVML_GPU_FABRIC_HEALTH_MASK_*: by the first bit of each part."""
        return (
            _bits(self.bandwidth_degraded)
            | _bits(self.route_recovery_in_progress) << 2
            | _bits(self.route_unhealthy) << 4
            | _bits(self.access_timeout_recovery) << 6
            | self.incorrect_configuration << 8
            | _bits(self.partition_assigned) << 12
            | _bits(self.manager_connected) << 14
        )


def healthy() -> Fabric:
    """The values of a healthy GPU."""
    return Fabric(
        state=COMPLETED,
        health_summary=HEALTHY,
        bandwidth_degraded=False,
        route_recovery_in_progress=False,
        route_unhealthy=False,
        access_timeout_recovery=False,
        incorrect_configuration=1,  # none
    )


def _bits(answer: bool | None) -> int:
    return 0 if answer is None else 1 if answer else 2
