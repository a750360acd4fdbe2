"""ECC errors of one GPU, and the pages retired and rows remapped because of them."""

from __future__ import annotations

from ctypes import byref
from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import MemoryErrors, RemapBanks, SramSources
from agent.sources.gpu.unknown import Refusal
from agent.sources.nvml import call_c_function, flag, number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.sources.gpu.handle import GpuHandle

_CORRECTED, _UNCORRECTED = (
    pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
    pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
)
_VOLATILE, _AGGREGATE = pynvml.NVML_VOLATILE_ECC, pynvml.NVML_AGGREGATE_ECC
_KINDS = {"corrected": _CORRECTED, "uncorrected": _UNCORRECTED}
_COUNTERS = {"volatile": _VOLATILE, "aggregate": _AGGREGATE}
_PLACES = {"sram": pynvml.NVML_MEMORY_LOCATION_SRAM, "dram": pynvml.NVML_MEMORY_LOCATION_DRAM}


def read_memory_errors(handle: GpuHandle) -> MemoryErrors:
    """NVML: see the fields of MemoryErrors. Ampere and newer remap rows, those before retire pages."""
    ecc_mode = handle.call("nvmlDeviceGetEccMode")  # [current, pending]
    ecc_enabled = handle.take("memory_errors.ecc_enabled", ecc_mode, lambda mode: flag(mode[0]))
    return MemoryErrors(
        ecc_enabled=ecc_enabled,
        ecc_pending=handle.take("memory_errors.ecc_pending", ecc_mode, lambda mode: flag(mode[1])),
        corrected_volatile=_total(handle, "corrected_volatile", _CORRECTED, _VOLATILE),
        uncorrected_volatile=_total(handle, "uncorrected_volatile", _UNCORRECTED, _VOLATILE),
        corrected_aggregate=_total(handle, "corrected_aggregate", _CORRECTED, _AGGREGATE),
        uncorrected_aggregate=_total(handle, "uncorrected_aggregate", _UNCORRECTED, _AGGREGATE),
        **_read_sram(handle),
        **_read_dram(handle),
        retired_pages_corrected=_retired(
            handle,
            "retired_pages_corrected",
            pynvml.NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS,
        ),
        retired_pages_uncorrected=_retired(
            handle, "retired_pages_uncorrected", pynvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR
        ),
        retirement_pending=handle.take(
            "memory_errors.retirement_pending", handle.call("nvmlDeviceGetRetiredPagesPendingStatus"), bool
        ),
        **_read_remapped(handle),
        remap_banks=handle.take(
            "memory_errors.remap_banks", handle.call("nvmlDeviceGetRowRemapperHistogram"), _banks
        ),
        unrepairable_memory=handle.take(
            "memory_errors.unrepairable_memory",
            handle.call("nvmlDeviceGetUnrepairableMemoryFlag_v1"),
            bool,
        ),
    )


def _total(handle: GpuHandle, name: str, kind: int, counter: int) -> int | None:
    errors: int | None = handle.query(f"memory_errors.{name}", "nvmlDeviceGetTotalEccErrors", kind, counter)
    return errors


def _at(handle: GpuHandle, place: str, kind: str, since: str) -> int | None:
    errors: int | None = handle.query(
        f"memory_errors.{place}_{kind}_{since}",
        "nvmlDeviceGetMemoryErrorCounter",
        _KINDS[kind],
        _COUNTERS[since],
        _PLACES[place],
    )
    return errors


def _read_dram(handle: GpuHandle) -> dict[str, Any]:
    return {
        f"dram_{kind}_{since}": _at(handle, "dram", kind, since) for kind in _KINDS for since in _COUNTERS
    }


def _sram_status(handle: Any) -> Any:
    """NVML: nvmlDeviceGetSramEccErrorStatus, R535 and newer; pynvml leaves the struct to its caller."""
    status = pynvml.c_nvmlEccSramErrorStatus_v1_t()
    call_c_function("nvmlDeviceGetSramEccErrorStatus", handle, byref(status))
    return status


_sram_status.__name__ = "nvmlDeviceGetSramEccErrorStatus"  # so it is called where its errors are shown


def _read_sram(handle: GpuHandle) -> dict[str, Any]:
    """All values from one struct; without it, other functions may report the two sums."""
    status = handle.call(_sram_status)

    def take(name: str, *members: str) -> int | None:
        """The sum of these members, if all are reported."""
        return handle.take(f"memory_errors.{name}", status, lambda status: _sum(status, *members))

    values: dict[str, Any] = {
        "sram_sources": handle.take("memory_errors.sram_sources", status, _sources),
        "sram_threshold_exceeded": handle.take(
            "memory_errors.sram_threshold_exceeded",
            status,
            lambda status: flag(number(status, "bThresholdExceeded")),
        ),
    }
    for since in _COUNTERS:
        parity, secded = f"{since}UncParity", f"{since}UncSecDed"
        values[f"sram_parity_{since}"] = take(f"sram_parity_{since}", parity)
        values[f"sram_secded_{since}"] = take(f"sram_secded_{since}", secded)
        if isinstance(status, Refusal):
            sums = {kind: _at(handle, "sram", kind, since) for kind in _KINDS}
        else:
            sums = {
                "corrected": take(f"sram_corrected_{since}", f"{since}Cor"),
                "uncorrected": take(f"sram_uncorrected_{since}", parity, secded),
            }
        values |= {f"sram_{kind}_{since}": errors for kind, errors in sums.items()}
    return values


def _sum(status: Any, *members: str) -> int | None:
    counts = [number(status, member) for member in members]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _sources(status: Any) -> SramSources | None:
    counts = [number(status, f"aggregateUncBucket{part}") for part in ("L2", "Sm", "Mcu", "Pcie", "Other")]
    known = [count for count in counts if count is not None]
    return SramSources(*known) if len(known) == len(counts) else None


def _retired(handle: GpuHandle, name: str, cause: int) -> int | None:
    return handle.take(f"memory_errors.{name}", handle.call("nvmlDeviceGetRetiredPages", cause), len)


def _read_remapped(handle: GpuHandle) -> dict[str, Any]:
    remapped = handle.call("nvmlDeviceGetRemappedRows")  # [corrected, uncorrected, pending, failed]
    return {
        name: handle.take(f"memory_errors.{name}", remapped, value_of) for name, value_of in _REMAPPED.items()
    }


_REMAPPED: Mapping[str, Callable[[Any], int | bool | None]] = {
    "remapped_rows_corrected": lambda rows: rows[0],
    "remapped_rows_uncorrected": lambda rows: rows[1],
    "remapping_pending": lambda rows: flag(rows[2]),
    "remapping_failed": lambda rows: flag(rows[3]),
}


def _banks(histogram: Any) -> RemapBanks | None:
    banks = [number(histogram, spare) for spare in ("max", "high", "partial", "low", "none")]
    known = [count for count in banks if count is not None]
    return RemapBanks(*known) if len(known) == len(banks) else None
