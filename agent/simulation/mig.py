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
_PROFILE = re.compile(r"((?P<compute>[1-7])c\.)?(?P<gpu>(?P<slices>[1-7])g\.(?P<gigabytes>\d+)gb(\+gfx)?)")


@dataclass(frozen=True, slots=True)
class MigInstance:
    """A compute instance of a GPU instance; compute instances of one GPU instance share its memory.

    The ids and the bytes can be an NvmlReturn, as values of a GPU can.
    """

    mig_index: int
    profile: str | None  # "1g.10gb": slices and memory; "1c.2g.20gb" where it has only a part of them
    uuid: str | None
    gpu_instance_id: int
    memory_total: int  # bytes
    compute_instance_id: int = 0
    memory_used: int | None = None  # bytes; None: with a process its share of what the GPU uses, else little
    memory_free: int | None = None  # bytes; None: what is left
    memory_reserved: int = 0  # bytes


def partition(
    model: GpuModel, gpu_uuid: str | None, memory_total: int, profiles: tuple[str, ...]
) -> list[MigInstance]:
    """One instance per profile, by default the model's usual ones. ValueError when they do not fit.

    Compute instances of one profile ("1c.2g.20gb") fill a GPU instance before the next one begins.
    """
    if not model.mig_profiles:
        raise ValueError(f"{model.name} has no MIG.")
    chosen = profiles or model.mig_profiles
    instances: list[MigInstance] = []
    slices = gigabytes = gpu_instance_id = compute_instance_id = 0
    shared, left = "", 0  # the GPU instance that has compute slices left, and how many
    for mig_index, profile in enumerate(chosen):
        match = _PROFILE.fullmatch(profile)
        if match is None:
            raise ValueError(f"{profile!r} is not a MIG profile; one looks like '1g.10gb'.")
        wanted = int(match["compute"] or match["slices"])
        if match["compute"] and match["gpu"] == shared and wanted <= left:
            compute_instance_id += 1
        else:
            shared, left = match["gpu"], int(match["slices"])
            gpu_instance_id, compute_instance_id = gpu_instance_id + 1, 0
            slices += left
            gigabytes += int(match["gigabytes"])
        left -= wanted
        instances.append(
            MigInstance(
                mig_index=mig_index,
                profile=profile,
                uuid=f"MIG-{uuid.uuid5(uuid.NAMESPACE_OID, f'{gpu_uuid} {mig_index} {profile}')}",
                gpu_instance_id=gpu_instance_id,
                compute_instance_id=compute_instance_id,
                memory_total=int(int(match["gigabytes"]) * 0.97 * 1024**3),  # the rest is reserved
            )
        )
    if slices > MAX_SLICES or gigabytes * 1024**3 > memory_total * 1.01:
        raise ValueError(f"MIG profiles {', '.join(chosen)} do not fit one {model.name}.")
    return instances
