"""ECC errors of one GPU, and the pages retired and rows remapped because of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RemapBanks:
    """Number of memory banks by how many of their spare rows are left."""

    all: int
    most: int
    some: int
    few: int
    none: int


@dataclass(frozen=True, slots=True)
class SramSources:
    """Uncorrected errors of SRAM over the life of the GPU, by part of the chip."""

    l2: int
    sm: int
    microcontroller: int
    pcie: int
    other: int


@dataclass(frozen=True, slots=True)
class MemoryErrors:
    """ECC errors, and retired or remapped memory. Volatile: since the driver was loaded."""

    ecc_enabled: bool | None = None  # nvmlDeviceGetEccMode, current
    ecc_pending: bool | None = None  # nvmlDeviceGetEccMode: after the next reset
    # nvmlDeviceGetTotalEccErrors, or a field value: 3, and for the three below 4, 5 and 6
    corrected_volatile: int | None = None
    uncorrected_volatile: int | None = None
    corrected_aggregate: int | None = None  # over the life of the GPU
    uncorrected_aggregate: int | None = None
    # By place. nvmlDeviceGetSramEccErrorStatus, or nvmlDeviceGetMemoryErrorCounter, which reports no kinds
    sram_corrected_volatile: int | None = None
    sram_corrected_aggregate: int | None = None
    sram_uncorrected_volatile: int | None = None  # of both kinds
    sram_uncorrected_aggregate: int | None = None
    sram_parity_volatile: int | None = None  # detected by parity, as the one below
    sram_parity_aggregate: int | None = None
    sram_secded_volatile: int | None = None  # detected by SEC-DED: two bits were wrong, as the one below
    sram_secded_aggregate: int | None = None
    sram_sources: SramSources | None = None
    dram_corrected_volatile: int | None = None  # nvmlDeviceGetMemoryErrorCounter, as the three below
    dram_corrected_aggregate: int | None = None
    dram_uncorrected_volatile: int | None = None
    dram_uncorrected_aggregate: int | None = None
    retired_pages_corrected: int | None = None  # nvmlDeviceGetRetiredPages: many single-bit errors
    retired_pages_uncorrected: int | None = None  # nvmlDeviceGetRetiredPages: a double-bit error
    retirement_pending: bool | None = None  # nvmlDeviceGetRetiredPagesPendingStatus: until the next reset
    remapped_rows_corrected: int | None = None  # nvmlDeviceGetRemappedRows, as the three below
    remapped_rows_uncorrected: int | None = None
    remapping_pending: bool | None = None  # until the next reset
    remapping_failed: bool | None = None
    remap_banks: RemapBanks | None = None  # nvmlDeviceGetRowRemapperHistogram
    # nvmlDeviceGetSramEccErrorStatus: more errors in SRAM than NVIDIA lets a GPU have
    sram_threshold_exceeded: bool | None = None
    unrepairable_memory: bool | None = None  # nvmlDeviceGetUnrepairableMemoryFlag_v1
