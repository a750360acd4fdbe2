"""MIG: a GPU partitioned into instances, each with its own memory, uuid and process list."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.simulation.models import GpuModel

MAX_INSTANCES = 7  # NVML: nvmlDeviceGetMaxMigDeviceCount
MAX_SLICES = 7  # compute slices of one GPU
_PROFILE = re.compile(r"(?P<slices>[1-7])g\.(?P<gigabytes>\d+)gb")


@dataclass(frozen=True, slots=True)
class MigInstance:
    """A GPU instance with one compute instance that fills it."""

    mig_index: int
    profile: str  # "1g.10gb": compute slices and memory
    uuid: str
    gpu_instance_id: int
    memory_total: int  # bytes
    compute_instance_id: int = 0


def partition(
    model: GpuModel, gpu_uuid: str | None, memory_total: int, profiles: tuple[str, ...]
) -> list[MigInstance]:
    """One instance per profile, by default the model's usual ones. ValueError when they do not fit."""
    if not model.mig_profiles:
        raise ValueError(f"{model.name} has no MIG.")
    chosen = profiles or model.mig_profiles
    instances = []
    slices = gigabytes = 0
    for mig_index, profile in enumerate(chosen):
        match = _PROFILE.fullmatch(profile)
        if match is None:
            raise ValueError(f"{profile!r} is not a MIG profile; one looks like '1g.10gb'.")
        slices += int(match["slices"])
        gigabytes += int(match["gigabytes"])
        instances.append(
            MigInstance(
                mig_index=mig_index,
                profile=profile,
                uuid=f"MIG-{uuid.uuid5(uuid.NAMESPACE_OID, f'{gpu_uuid} {mig_index} {profile}')}",
                gpu_instance_id=mig_index + 1,
                memory_total=int(int(match["gigabytes"]) * 0.97 * 1024**3),  # the rest is reserved
            )
        )
    if slices > MAX_SLICES or gigabytes * 1024**3 > memory_total * 1.01:
        raise ValueError(f"MIG profiles {', '.join(chosen)} do not fit one {model.name}.")
    return instances
