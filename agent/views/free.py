"""The wire shape of `/free`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, Field

from agent.derive.rounding import tenths
from agent.views.units import mib

if TYPE_CHECKING:
    from agent.derive.candidates import Candidate
    from agent.derive.free import Offer


class FreeGpu(BaseModel):
    """A GPU to take, or with mig=1 a MIG instance. Unknown values are null."""

    idx: int = Field(
        description="NVML index, which is not CUDA's default order; of the parent for a MIG instance"
    )
    uuid: str = Field(description="NVML UUID, which CUDA understands")
    name: str | None = Field(description="product name; of a MIG instance with its profile")
    free_memory_mb: float | None = Field(description="free memory, MiB; null with unified memory")
    temperature_celsius: int | None = Field(description="temperature of the GPU core, degrees Celsius")
    utilization_percent: int | None = Field(
        description="maximum GPU utilization of the last 60 s, percent of time in which a kernel ran"
    )
    compute_processes: int | None = Field(
        description="number of processes with a compute context; 0 first; null while the GPU is asleep"
    )
    mig_index: int | None = Field(default=None, description="only for a MIG instance: its index on its GPU")


class PassedOverGpu(BaseModel):
    """A GPU, or with mig=1 a MIG instance, that is not offered for this request."""

    idx: int = Field(description="NVML index; of the parent for a MIG instance")
    reason: str = Field(description="why it is not offered, one phrase for people")
    mig_index: int | None = Field(default=None, description="only for a MIG instance: its index on its GPU")


View = TypeVar("View", FreeGpu, PassedOverGpu)


class FreeGpus(BaseModel):
    """The GPUs that fit a request, best first."""

    count: int = Field(description="number of GPUs that were asked for")
    satisfied: bool = Field(description="whether there are as many GPUs as were asked for")
    gpus: list[FreeGpu] = Field(
        description="the GPUs offered, best first; fewer than asked for where there are no more"
    )
    cuda_visible_devices: str = Field(
        description="UUIDs of the GPUs offered, joined by commas, for CUDA_VISIBLE_DEVICES"
    )
    withheld: int = Field(
        description="number of GPUs that would do, but were just given to a request that waited,"
        " or are reserved for one that waits"
    )
    passed_over: list[PassedOverGpu] = Field(description="the GPUs that are not offered, and why")


def free_view(offer: Offer) -> FreeGpus:
    """The answer for an offer."""
    return FreeGpus(
        count=offer.wish.count,
        satisfied=offer.satisfied,
        gpus=[_on_gpu(gpu, _gpu(gpu)) for gpu in offer.gpus],
        cuda_visible_devices=cuda_visible_devices(offer),
        withheld=len(offer.unavailable),
        passed_over=[
            _on_gpu(gpu, PassedOverGpu(idx=gpu.index, reason=reason)) for gpu, reason in offer.unsuitable
        ],
    )


def cuda_visible_devices(offer: Offer) -> str:
    """UUIDs, because CUDA's default order of GPUs is not NVML's."""
    return ",".join(offer.uuids)


def _on_gpu(gpu: Candidate, view: View) -> View:
    """What is not set is left out."""
    if gpu.mig_index is not None:
        view.mig_index = gpu.mig_index
    return view


def _gpu(gpu: Candidate) -> FreeGpu:
    return FreeGpu(
        idx=gpu.index,
        uuid=gpu.uuid or "",  # a GPU without a UUID is never offered
        name=gpu.name,
        free_memory_mb=tenths(mib(gpu.memory_free_bytes)),
        temperature_celsius=gpu.temperature_celsius,
        utilization_percent=gpu.peak_utilization_percent,
        compute_processes=gpu.compute_processes,
    )
