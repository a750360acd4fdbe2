"""ECC errors of one GPU, and the pages and rows given up because of them."""

from __future__ import annotations

from ctypes import byref
from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import MemoryErrors, RemapBanks
from agent.sources.nvml import number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.sources.gpu.handle import GpuHandle

_CORRECTED, _UNCORRECTED = (
    pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
    pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
)
_VOLATILE, _AGGREGATE = pynvml.NVML_VOLATILE_ECC, pynvml.NVML_AGGREGATE_ECC


def read_memory_errors(handle: GpuHandle) -> MemoryErrors:
    """NVML: see the fields of MemoryErrors. Ampere and newer remap rows, those before retire pages."""
    ecc_mode = handle.call("nvmlDeviceGetEccMode")  # [current, pending]
    ecc_enabled = handle.take("memory_errors.ecc_enabled", ecc_mode, lambda mode: _flag(mode[0]))
    return MemoryErrors(
        ecc_enabled=ecc_enabled,
        corrected_volatile=_total(handle, "corrected_volatile", _CORRECTED, _VOLATILE),
        uncorrected_volatile=_total(handle, "uncorrected_volatile", _UNCORRECTED, _VOLATILE),
        corrected_aggregate=_total(handle, "corrected_aggregate", _CORRECTED, _AGGREGATE),
        uncorrected_aggregate=_total(handle, "uncorrected_aggregate", _UNCORRECTED, _AGGREGATE),
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
        sram_threshold_exceeded=handle.take(
            "memory_errors.sram_threshold_exceeded",
            handle.call(_sram_errors),
            lambda status: _flag(number(status, "bThresholdExceeded")),
        ),
        unrepairable_memory=handle.take(
            "memory_errors.unrepairable_memory",
            handle.call("nvmlDeviceGetUnrepairableMemoryFlag_v1"),
            bool,
        ),
    )


def _sram_errors(handle: Any) -> Any:
    status = pynvml.c_nvmlEccSramErrorStatus_v1_t()
    pynvml.nvmlDeviceGetSramEccErrorStatus(handle, byref(status))
    return status


_sram_errors.__name__ = "nvmlDeviceGetSramEccErrorStatus"  # so it is called where its errors are shown


def _total(handle: GpuHandle, name: str, kind: int, counter: int) -> int | None:
    errors: int | None = handle.ask(f"memory_errors.{name}", "nvmlDeviceGetTotalEccErrors", kind, counter)
    return errors


def _retired(handle: GpuHandle, name: str, cause: int) -> int | None:
    return handle.take(f"memory_errors.{name}", handle.call("nvmlDeviceGetRetiredPages", cause), len)


def _read_remapped(handle: GpuHandle) -> dict[str, Any]:
    remapped = handle.call("nvmlDeviceGetRemappedRows")  # [corrected, uncorrected, pending, failed]
    return {
        name: handle.take(f"memory_errors.{name}", remapped, value_of) for name, value_of in _REMAPPED.items()
    }


def _flag(number: int | None) -> bool | None:
    return None if number is None else bool(number)


_REMAPPED: Mapping[str, Callable[[Any], int | bool | None]] = {
    "remapped_rows_corrected": lambda rows: rows[0],
    "remapped_rows_uncorrected": lambda rows: rows[1],
    "remapping_pending": lambda rows: _flag(rows[2]),
    "remapping_failed": lambda rows: _flag(rows[3]),
}


def _banks(histogram: Any) -> RemapBanks | None:
    banks = [number(histogram, spare) for spare in ("max", "high", "partial", "low", "none")]
    known = [count for count in banks if count is not None]
    return RemapBanks(*known) if len(known) == len(banks) else None
