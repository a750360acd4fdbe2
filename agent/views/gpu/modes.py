"""The modes that one GPU is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.readings import AddressingMode, ComputeMode, VirtualizationMode

if TYPE_CHECKING:
    from enum import IntEnum

    from agent.readings import GpuSample


class GpuModes(BaseModel):
    """NVML: nvmlDeviceGetPerformanceState, PersistenceMode, ComputeMode, EccMode, MigMode."""

    performance_state: str | None = Field(description="performance state, from P0 (fastest) to P15 (slowest)")
    persistence_mode: bool | None = Field(
        description="whether the driver stays loaded while nobody uses the GPU"
    )
    compute_mode: str | None = Field(description="default, exclusive_process, prohibited ...")
    ecc_enabled: bool | None = Field(description="whether memory errors are detected and corrected")
    ecc_pending: bool | None = Field(description="the same after the next reset")
    mig_enabled: bool | None = Field(description="whether the GPU is partitioned by MIG; null: it has no MIG")
    mig_pending: bool | None = Field(description="the same after the next reset; null: it has no MIG")
    virtualization_mode: str | None = Field(
        description="virtualization: none, passthrough or vgpu (this is a virtual machine with the whole"
        " GPU or a part), host_vgpu or host_vsga (virtual machines share it), or the number of a newer mode"
    )
    addressing_mode: str | None = Field(
        description="how the GPU reaches the host's memory: none, hmm, ats, or the number of a newer mode"
    )


def modes_view(gpu: GpuSample) -> GpuModes:
    """The wire shape of the modes, ECC and MIG among them."""
    reading = gpu.values
    state, mode = reading.modes.performance_state, reading.modes.compute_mode
    return GpuModes(
        performance_state=None if state is None else f"P{state}",
        persistence_mode=reading.modes.persistence_mode,
        compute_mode=ComputeMode(mode).name.lower() if mode in set(ComputeMode) else None,
        ecc_enabled=reading.memory_errors.ecc_enabled,
        ecc_pending=reading.memory_errors.ecc_pending,
        mig_enabled=reading.mig.enabled,
        mig_pending=reading.mig.pending,
        virtualization_mode=name_or_number(VirtualizationMode, reading.modes.virtualization_mode),
        addressing_mode=name_or_number(AddressingMode, reading.modes.addressing_mode),
    )


def name_or_number(names: type[IntEnum], number: int | None) -> str | None:
    """In small letters; the number itself where the driver is newer than these names."""
    if number is None:
        return None
    return names(number).name.lower() if number in set(names) else str(number)
