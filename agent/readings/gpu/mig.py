"""The MIG devices of one GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.readings.gpu.processes import GpuProcess

# With more behind it where an instance has media engines of its own, or none: 1g.10gb+me
_PROFILE = re.compile(r"\bMIG ((?:\dc\.)?\dg\.\S+)$")


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

    @property
    def profile(self) -> str | None:
        """The profile, slices and memory: "1g.5gb"; None: not in its name."""
        found = _PROFILE.search(self.name or "")
        return found and found[1]


@dataclass(frozen=True, slots=True)
class Mig:
    """Whether the GPU is partitioned, and its MIG devices."""

    enabled: bool | None = None  # nvmlDeviceGetMigMode, also without an instance yet; None: there is no MIG
    pending: bool | None = None  # nvmlDeviceGetMigMode: after the next reset
    instances: tuple[MigInstance, ...] | None = ()  # None: not reported
