"""ECC errors, retired and remapped memory, and NVIDIA's criteria to reset or replace a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import AT_ONCE, RESET_LATER, critical, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.findings import Finding, Patient
    from agent.readings import MemoryErrors

_REMAPPED = "nvmlDeviceGetRemappedRows"
_REPLACE = "have the GPU replaced"

KINDS = (
    ECC_UNCORRECTED := critical(
        "ecc_uncorrected",
        "uncorrected ECC errors since the driver was loaded",
        "until the driver is reloaded",
        "nvmlDeviceGetTotalEccErrors, or the counters of SRAM and DRAM",
    ),
    SRAM_THRESHOLD_EXCEEDED := critical(
        "sram_threshold_exceeded",
        "more uncorrected errors in SRAM than NVIDIA allows",
        AT_ONCE,
        "nvmlDeviceGetSramEccErrorStatus",
    ),
    UNREPAIRABLE_MEMORY := critical(
        "unrepairable_memory",
        "memory is faulty and cannot be repaired",
        AT_ONCE,
        "nvmlDeviceGetUnrepairableMemoryFlag_v1",
    ),
    REMAPPING_FAILED := critical(
        "remapping_failed", "a faulty row of memory could not be remapped", AT_ONCE, _REMAPPED
    ),
    REMAPPING_PENDING := warning(
        "remapping_pending", "a row is remapped at the next reset", AT_ONCE, _REMAPPED
    ),
    RETIREMENT_PENDING := warning(
        "retirement_pending",
        "a page is retired at the next reset",
        AT_ONCE,
        "nvmlDeviceGetRetiredPagesPendingStatus",
    ),
    REMAP_BANKS_EXHAUSTED := warning(
        "remap_banks_exhausted",
        "a memory bank has no spare row left",
        AT_ONCE,
        "nvmlDeviceGetRowRemapperHistogram",
    ),
)


def judge(patient: Patient) -> Iterator[Finding]:
    """A reset clears the errors and starts the repairs, but does not end every fault."""
    errors = patient.reading.memory_errors
    uncorrected = errors.uncorrected_volatile or _uncorrected_by_place(errors)
    if uncorrected:
        yield ECC_UNCORRECTED.found(
            f"{uncorrected} uncorrected ECC error{'s' if uncorrected > 1 else ''}"
            " since the driver was loaded",
            "the results of this GPU cannot be trusted; stop what runs on it and reset it",
        )
    if errors.sram_threshold_exceeded:
        yield SRAM_THRESHOLD_EXCEEDED.found(
            "The SRAM of the GPU has had more uncorrected errors than NVIDIA allows", _REPLACE
        )
    if errors.unrepairable_memory:
        yield UNREPAIRABLE_MEMORY.found("The memory of the GPU is faulty and cannot be repaired", _REPLACE)
    if errors.remapping_failed:
        yield REMAPPING_FAILED.found("A faulty row of memory could not be remapped", _REPLACE)
    if errors.remapping_pending:
        yield REMAPPING_PENDING.found("A faulty row of memory is remapped at the next reset", RESET_LATER)
    if errors.retirement_pending:
        yield RETIREMENT_PENDING.found("A faulty page of memory is retired at the next reset", RESET_LATER)
    if errors.remap_banks and errors.remap_banks.none:
        yield REMAP_BANKS_EXHAUSTED.found(
            f"No spare rows are left in {errors.remap_banks.none} of its memory banks",
            "plan for a replacement",
        )


def _uncorrected_by_place(errors: MemoryErrors) -> int:
    """Those since the driver was loaded that are known: the driver may fail to report the total alone."""
    return (errors.sram_uncorrected_volatile or 0) + (errors.dram_uncorrected_volatile or 0)
