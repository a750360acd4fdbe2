"""ECC errors of one GPU, and the pages retired and rows remapped because of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from agent.readings import MemoryErrors, RemapBanks, SramSources


class GpuSramSources(BaseModel):
    """NVML: nvmlDeviceGetSramEccErrorStatus: uncorrected errors of SRAM over the life of the GPU."""

    l2: int = Field(description="errors in the L2 cache")
    sm: int = Field(description="errors in the streaming multiprocessors")
    microcontroller: int = Field(description="errors in the microcontrollers")
    pcie: int = Field(description="errors in the PCIe unit")
    other: int = Field(description="errors in other parts")


class GpuSramErrors(BaseModel):
    """NVML: nvmlDeviceGetSramEccErrorStatus, else nvmlDeviceGetMemoryErrorCounter."""

    corrected_volatile: int | None = Field(description="corrected errors since the driver was loaded")
    uncorrected_volatile: int | None = Field(description="uncorrected errors since the driver was loaded")
    parity_volatile: int | None = Field(description="uncorrected_volatile detected by parity")
    secded_volatile: int | None = Field(description="uncorrected_volatile detected by SEC-DED")
    corrected_aggregate: int | None = Field(description="corrected errors over the life of the GPU")
    uncorrected_aggregate: int | None = Field(description="uncorrected errors over the life of the GPU")
    parity_aggregate: int | None = Field(description="uncorrected_aggregate detected by parity")
    secded_aggregate: int | None = Field(description="uncorrected_aggregate detected by SEC-DED")
    sources: GpuSramSources | None = Field(
        description="uncorrected_aggregate by part; null: the driver does not report it"
    )


class GpuDramErrors(BaseModel):
    """NVML: nvmlDeviceGetMemoryErrorCounter."""

    corrected_volatile: int | None = Field(description="corrected errors since the driver was loaded")
    uncorrected_volatile: int | None = Field(description="uncorrected errors since the driver was loaded")
    corrected_aggregate: int | None = Field(description="corrected errors over the life of the GPU")
    uncorrected_aggregate: int | None = Field(description="uncorrected errors over the life of the GPU")


class GpuEcc(BaseModel):
    """NVML: nvmlDeviceGetTotalEccErrors. Volatile: since the driver was loaded; aggregate: ever.

    The last two: nvmlDeviceGetSramEccErrorStatus, nvmlDeviceGetUnrepairableMemoryFlag_v1.
    """

    corrected_volatile: int | None = Field(description="corrected errors since the driver was loaded")
    uncorrected_volatile: int | None = Field(description="uncorrected errors since the driver was loaded")
    corrected_aggregate: int | None = Field(description="corrected errors over the life of the GPU")
    uncorrected_aggregate: int | None = Field(description="uncorrected errors over the life of the GPU")
    sram_threshold_exceeded: bool | None = Field(
        description="whether SRAM had more uncorrected errors than NVIDIA accepts for a GPU"
    )
    unrepairable_memory: bool | None = Field(description="whether faulty memory cannot be repaired")
    sram: GpuSramErrors = Field(description="errors in caches, registers and other memory on the chip")
    dram: GpuDramErrors = Field(description="errors in the GPU memory")


def ecc_view(errors: MemoryErrors) -> GpuEcc:
    """The wire shape of the ECC errors."""
    return GpuEcc(
        corrected_volatile=errors.corrected_volatile,
        uncorrected_volatile=errors.uncorrected_volatile,
        corrected_aggregate=errors.corrected_aggregate,
        uncorrected_aggregate=errors.uncorrected_aggregate,
        sram_threshold_exceeded=errors.sram_threshold_exceeded,
        unrepairable_memory=errors.unrepairable_memory,
        sram=GpuSramErrors(
            corrected_volatile=errors.sram_corrected_volatile,
            uncorrected_volatile=errors.sram_uncorrected_volatile,
            parity_volatile=errors.sram_parity_volatile,
            secded_volatile=errors.sram_secded_volatile,
            corrected_aggregate=errors.sram_corrected_aggregate,
            uncorrected_aggregate=errors.sram_uncorrected_aggregate,
            parity_aggregate=errors.sram_parity_aggregate,
            secded_aggregate=errors.sram_secded_aggregate,
            sources=None if errors.sram_sources is None else _sources(errors.sram_sources),
        ),
        dram=GpuDramErrors(
            corrected_volatile=errors.dram_corrected_volatile,
            uncorrected_volatile=errors.dram_uncorrected_volatile,
            corrected_aggregate=errors.dram_corrected_aggregate,
            uncorrected_aggregate=errors.dram_uncorrected_aggregate,
        ),
    )


def _sources(sources: SramSources) -> GpuSramSources:
    return GpuSramSources(
        l2=sources.l2,
        sm=sources.sm,
        microcontroller=sources.microcontroller,
        pcie=sources.pcie,
        other=sources.other,
    )


class GpuRetiredPages(BaseModel):
    """NVML: nvmlDeviceGetRetiredPages, nvmlDeviceGetRetiredPagesPendingStatus; before Ampere."""

    corrected: int | None = Field(description="pages retired for several corrected errors")
    uncorrected: int | None = Field(description="pages retired for an uncorrected error")
    pending: bool | None = Field(description="whether a faulty page will be retired at the next reset")


def retired_pages_view(errors: MemoryErrors) -> GpuRetiredPages:
    """The wire shape of the retired pages."""
    return GpuRetiredPages(
        corrected=errors.retired_pages_corrected,
        uncorrected=errors.retired_pages_uncorrected,
        pending=errors.retirement_pending,
    )


class GpuRemapBanks(BaseModel):
    """NVML: nvmlDeviceGetRowRemapperHistogram: memory banks by how many spare rows are left."""

    all: int = Field(description="memory banks with all spare rows left")
    most: int = Field(description="memory banks with most spare rows left")
    some: int = Field(description="memory banks with some spare rows left")
    few: int = Field(description="memory banks with few spare rows left")
    none: int = Field(description="memory banks with no spare row left")


class GpuRemappedRows(BaseModel):
    """NVML: nvmlDeviceGetRemappedRows; Ampere and newer."""

    corrected: int | None = Field(description="rows remapped for corrected errors")
    uncorrected: int | None = Field(description="rows remapped for uncorrected errors")
    pending: bool | None = Field(description="whether a faulty row will be remapped at the next reset")
    failed: bool | None = Field(description="whether a faulty row could not be remapped")
    banks: GpuRemapBanks | None = Field(description="null: the driver does not report it")


def remapped_rows_view(errors: MemoryErrors) -> GpuRemappedRows:
    """The wire shape of the remapped rows."""
    return GpuRemappedRows(
        corrected=errors.remapped_rows_corrected,
        uncorrected=errors.remapped_rows_uncorrected,
        pending=errors.remapping_pending,
        failed=errors.remapping_failed,
        banks=None if errors.remap_banks is None else _banks(errors.remap_banks),
    )


def _banks(banks: RemapBanks) -> GpuRemapBanks:
    return GpuRemapBanks(all=banks.all, most=banks.most, some=banks.some, few=banks.few, none=banks.none)
