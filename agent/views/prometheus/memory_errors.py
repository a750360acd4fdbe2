"""ECC errors of each GPU, and the pages retired and rows remapped because of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import GPU_LABELS, counter, label_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.readings import GpuReading, GpuSample, MemoryErrors
    from agent.views.prometheus.exposition import Family
    from agent.views.prometheus.families import ReadingValues, ValuesByLabel


GAUGES: ReadingValues = (
    ("ecc_enabled", "1 if ECC is on, else 0.", lambda r: r.memory_errors.ecc_enabled),
    (
        "ecc_pending",
        "1 if ECC will be on after the next reset, else 0.",
        lambda r: r.memory_errors.ecc_pending,
    ),
    (
        "retirement_pending",
        "1 if a faulty memory page will be retired at the next reset, else 0.",
        lambda r: r.memory_errors.retirement_pending,
    ),
    (
        "remapping_pending",
        "1 if a faulty memory row will be remapped at the next reset, else 0.",
        lambda r: r.memory_errors.remapping_pending,
    ),
    (
        "remapping_failed",
        "1 if a faulty memory row could not be remapped, else 0.",
        lambda r: r.memory_errors.remapping_failed,
    ),
    (
        "sram_threshold_exceeded",
        "1 if SRAM had more uncorrected errors than NVIDIA accepts for a GPU, else 0.",
        lambda r: r.memory_errors.sram_threshold_exceeded,
    ),
    (
        "unrepairable_memory",
        "1 if faulty memory cannot be repaired, else 0.",
        lambda r: r.memory_errors.unrepairable_memory,
    ),
)
BY_LABEL: ValuesByLabel = (
    (
        "retired_pages",
        "cause",
        "Memory pages that were retired, over the life of the GPU.",
        lambda r: {
            "corrected": r.memory_errors.retired_pages_corrected,
            "uncorrected": r.memory_errors.retired_pages_uncorrected,
        },
    ),
    (
        "remapped_rows",
        "cause",
        "Memory rows that were remapped, over the life of the GPU.",
        lambda r: {
            "corrected": r.memory_errors.remapped_rows_corrected,
            "uncorrected": r.memory_errors.remapped_rows_uncorrected,
        },
    ),
)


def ecc_errors_by_place(readings: Sequence[tuple[GpuSample, GpuReading]]) -> Family:
    """The counters by place of the error; no error is counted twice."""
    return counter(
        "ecc_errors_by_place",
        "ECC errors by place, sram or dram; uncorrected SRAM errors by parity and SECDED where reported.",
        (*GPU_LABELS, "place", "type", "scope"),
        (
            (label_values(gpu, place, kind, scope), count)
            for gpu, reading in readings
            for scope in ("volatile", "aggregate")
            for place, kind, count in _at_places(reading.memory_errors, scope)
        ),
    )


def _at_places(errors: MemoryErrors, scope: str) -> Iterator[tuple[str, str, int | None]]:
    def count(name: str) -> int | None:
        counted: int | None = getattr(errors, f"{name}_{scope}")
        return counted

    yield "dram", "corrected", count("dram_corrected")
    yield "dram", "uncorrected", count("dram_uncorrected")
    yield "sram", "corrected", count("sram_corrected")
    parity, secded = count("sram_parity"), count("sram_secded")
    if parity is None and secded is None:
        yield "sram", "uncorrected", count("sram_uncorrected")
    yield "sram", "uncorrected_parity", parity
    yield "sram", "uncorrected_secded", secded


def ecc_errors(readings: Sequence[tuple[GpuSample, GpuReading]]) -> Family:
    """The counters of errors, by their type and since when they count."""
    return counter(
        "ecc_errors",
        "ECC errors; volatile: since the driver was loaded, aggregate: over the life of the GPU.",
        (*GPU_LABELS, "type", "scope"),
        (
            (label_values(gpu, kind, scope), getattr(reading.memory_errors, f"{kind}_{scope}"))
            for gpu, reading in readings
            for kind in ("corrected", "uncorrected")
            for scope in ("volatile", "aggregate")
        ),
    )
