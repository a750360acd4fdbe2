"""The MIG instances of one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.rounding import tenths
from agent.views.units import mib

if TYPE_CHECKING:
    from agent.readings import GpuReading, GpuSample, MigInstance


class MigProcess(BaseModel):
    """A process on a MIG instance."""

    pid: int = Field(description="process id as reported by the driver")
    memory_mb: float | None = Field(description="GPU memory of the process, MiB")


class GpuMigInstance(BaseModel):
    """NVML: nvmlDeviceGetMigDeviceHandleByIndex and its relatives."""

    mig_index: int = Field(description="index of the instance on its GPU")
    uuid: str | None = Field(description="NVML UUID, which CUDA understands")
    name: str | None = Field(description="name with the profile, as NVML gives it")
    gpu_instance_id: int | None = Field(
        description="id of the GPU instance; MIG instances with the same id share their memory"
    )
    compute_instance_id: int | None = Field(description="id of the compute instance in its GPU instance")
    memory_total_mb: float | None = Field(description="memory of the instance, MiB")
    memory_used_mb: float | None = Field(description="memory of the instance in use, MiB")
    memory_free_mb: float | None = Field(description="memory of the instance that is free, MiB")
    processes: list[MigProcess] | None = Field(
        description="processes on the instance, by pid; null: the driver does not list them"
    )


class MigSlice(BaseModel):
    """A MIG instance in short. Unknown values are null."""

    index: int = Field(description="index of the instance on its GPU")
    profile: str | None = Field(description="profile: slices and memory, for example 1g.10gb")
    uuid: str | None = Field(description="NVML UUID, which CUDA understands")
    total_mb: float | None = Field(description="memory of the instance, MiB")
    used_mb: float | None = Field(description="memory of the instance in use, MiB")
    processes: int | None = Field(description="number of processes on the instance")


def mig_slices_view(reading: GpuReading) -> list[MigSlice] | None:
    """The wire shape of each instance; None: the driver does not report them."""
    instances = reading.mig.instances
    return None if instances is None else [_slice(instance) for instance in instances]


def mig_instances_view(gpu: GpuSample) -> list[GpuMigInstance] | None:
    """The wire shape of each instance; None: the driver does not report it, or the GPU cannot be read."""
    instances = None if gpu.reading is None else gpu.reading.mig.instances
    return None if instances is None else [_instance(instance) for instance in instances]


def _slice(instance: MigInstance) -> MigSlice:
    return MigSlice(
        index=instance.mig_index,
        profile=instance.profile,
        uuid=instance.uuid,
        total_mb=tenths(mib(instance.memory_total_bytes)),
        used_mb=tenths(mib(instance.memory_used_bytes)),
        processes=None if instance.processes is None else len(instance.processes),
    )


def _instance(instance: MigInstance) -> GpuMigInstance:
    return GpuMigInstance(
        mig_index=instance.mig_index,
        uuid=instance.uuid,
        name=instance.name,
        gpu_instance_id=instance.gpu_instance_id,
        compute_instance_id=instance.compute_instance_id,
        memory_total_mb=tenths(mib(instance.memory_total_bytes)),
        memory_used_mb=tenths(mib(instance.memory_used_bytes)),
        memory_free_mb=tenths(mib(instance.memory_free_bytes)),
        processes=None
        if instance.processes is None
        else [
            MigProcess(pid=process.pid, memory_mb=tenths(mib(process.gpu_memory_bytes)))
            for process in instance.processes
        ],
    )
