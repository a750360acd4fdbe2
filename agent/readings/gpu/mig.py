"""The MIG devices of one GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.readings.gpu.processes import GpuProcess


@dataclass(frozen=True, slots=True)
class MigInstance:
    """A MIG device: a slice of a GPU (NVML: nvmlDeviceGetMigDeviceHandleByIndex)."""

    mig_index: int
    uuid: str | None = None
    name: str | None = None  # with the profile, as NVML prints it: "NVIDIA A100 MIG 1g.5gb"
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    processes: tuple[GpuProcess, ...] | None = None  # None: its list is refused
    # nvmlDeviceGetGpuInstanceId: MIG devices with the same one have their memory together
    gpu_instance_id: int | None = None
    compute_instance_id: int | None = None  # nvmlDeviceGetComputeInstanceId, within its GPU instance


@dataclass(frozen=True, slots=True)
class Mig:
    """Whether the GPU is partitioned, and into what."""

    enabled: bool | None = None  # nvmlDeviceGetMigMode, also without an instance yet; None: there is no MIG
    pending: bool | None = None  # nvmlDeviceGetMigMode: after the next reset
    instances: tuple[MigInstance, ...] | None = ()  # None: they are not told
