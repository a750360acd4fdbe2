"""The modes that one GPU is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.readings import ComputeMode

if TYPE_CHECKING:
    from agent.readings import GpuSample


class GpuModes(BaseModel):
    """NVML: nvmlDeviceGetPerformanceState, PersistenceMode, ComputeMode, EccMode, MigMode."""

    performance_state: str | None = Field(description="performance state, from P0 (fastest) to P15 (slowest)")
    persistence_mode: bool | None = Field(
        description="whether the driver stays loaded while nobody uses the GPU"
    )
    compute_mode: str | None = Field(description="default, exclusive_process, prohibited ...")
    ecc_enabled: bool | None = Field(description="whether memory errors are detected and corrected")
    mig_enabled: bool | None = Field(description="whether the GPU is partitioned by MIG; null: it has no MIG")


def modes_view(gpu: GpuSample) -> GpuModes:
    """The wire shape of the modes, ECC and MIG among them."""
    reading = gpu.values
    state, mode = reading.modes.performance_state, reading.modes.compute_mode
    return GpuModes(
        performance_state=None if state is None else f"P{state}",
        persistence_mode=reading.modes.persistence_mode,
        compute_mode=ComputeMode(mode).name.lower() if mode in set(ComputeMode) else None,
        ecc_enabled=reading.memory_errors.ecc_enabled,
        mig_enabled=reading.mig.enabled,
    )
