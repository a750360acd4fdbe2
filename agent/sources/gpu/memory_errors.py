"""ECC errors of one GPU, and the pages and rows given up because of them."""

from __future__ import annotations

from typing import Any

import pynvml

from agent.readings import MemoryErrors, RemapBanks
from agent.sources.nvml import number, query_or_none

_CORRECTED, _UNCORRECTED = (
    pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
    pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
)
_VOLATILE, _AGGREGATE = pynvml.NVML_VOLATILE_ECC, pynvml.NVML_AGGREGATE_ECC


def read_memory_errors(handle: Any) -> MemoryErrors:
    """NVML: see the fields of MemoryErrors. Ampere and newer remap rows, those before retire pages."""
    ecc_mode = query_or_none("nvmlDeviceGetEccMode", handle)  # [current, pending]
    remapped = query_or_none("nvmlDeviceGetRemappedRows", handle)
    corrected, uncorrected, pending, failed = remapped or (None,) * 4
    return MemoryErrors(
        ecc_enabled=None if ecc_mode is None else ecc_mode[0] == pynvml.NVML_FEATURE_ENABLED,
        corrected_volatile=query_or_none("nvmlDeviceGetTotalEccErrors", handle, _CORRECTED, _VOLATILE),
        uncorrected_volatile=query_or_none("nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _VOLATILE),
        corrected_aggregate=query_or_none("nvmlDeviceGetTotalEccErrors", handle, _CORRECTED, _AGGREGATE),
        uncorrected_aggregate=query_or_none("nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _AGGREGATE),
        retired_pages_corrected=_retired(
            handle, pynvml.NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS
        ),
        retired_pages_uncorrected=_retired(handle, pynvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR),
        retirement_pending=_yes(query_or_none("nvmlDeviceGetRetiredPagesPendingStatus", handle)),
        remapped_rows_corrected=corrected,
        remapped_rows_uncorrected=uncorrected,
        remapping_pending=_yes(pending),
        remapping_failed=_yes(failed),
        remap_banks=_banks(query_or_none("nvmlDeviceGetRowRemapperHistogram", handle)),
    )


def _retired(handle: Any, cause: int) -> int | None:
    pages = query_or_none("nvmlDeviceGetRetiredPages", handle, cause)
    return None if pages is None else len(pages)


def _yes(flag: int | None) -> bool | None:
    return None if flag is None else bool(flag)


def _banks(histogram: Any) -> RemapBanks | None:
    if histogram is None:
        return None
    banks = [number(histogram, spare) for spare in ("max", "high", "partial", "low", "none")]
    known = [count for count in banks if count is not None]
    return RemapBanks(*known) if len(known) == len(banks) else None
