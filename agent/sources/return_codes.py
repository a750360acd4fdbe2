"""The table of NVML's return codes: the reason that each gives for an unknown value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml

from agent.readings import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

SUCCESS = "NVML_SUCCESS"  # stands for an error if the call succeeded without a value

# Every code of nvml.h but success. Codes that a later driver may add are FAILED.
_REASONS: Mapping[int, Reason] = {
    pynvml.NVML_ERROR_UNINITIALIZED: Reason.FAILED,
    # Also returned by GPUs that lack a sensor or link.
    pynvml.NVML_ERROR_INVALID_ARGUMENT: Reason.NOT_SUPPORTED,
    pynvml.NVML_ERROR_NOT_SUPPORTED: Reason.NOT_SUPPORTED,
    pynvml.NVML_ERROR_NO_PERMISSION: Reason.NO_PERMISSION,
    pynvml.NVML_ERROR_ALREADY_INITIALIZED: Reason.FAILED,
    pynvml.NVML_ERROR_NOT_FOUND: Reason.NOT_SUPPORTED,
    pynvml.NVML_ERROR_INSUFFICIENT_SIZE: Reason.FAILED,
    pynvml.NVML_ERROR_INSUFFICIENT_POWER: Reason.FAILED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: Reason.FAILED,
    pynvml.NVML_ERROR_TIMEOUT: Reason.FAILED,
    pynvml.NVML_ERROR_IRQ_ISSUE: Reason.FAILED,
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: Reason.FAILED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: Reason.MISSING,
    pynvml.NVML_ERROR_CORRUPTED_INFOROM: Reason.FAILED,
    pynvml.NVML_ERROR_GPU_IS_LOST: Reason.FAILED,
    pynvml.NVML_ERROR_RESET_REQUIRED: Reason.FAILED,
    pynvml.NVML_ERROR_OPERATING_SYSTEM: Reason.NO_PERMISSION,  # nvml.h: blocked by the system, or by cgroups
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: Reason.FAILED,
    pynvml.NVML_ERROR_IN_USE: Reason.FAILED,
    pynvml.NVML_ERROR_MEMORY: Reason.FAILED,
    pynvml.NVML_ERROR_NO_DATA: Reason.NOT_SUPPORTED,
    pynvml.NVML_ERROR_VGPU_ECC_NOT_SUPPORTED: Reason.NOT_SUPPORTED,
    pynvml.NVML_ERROR_INSUFFICIENT_RESOURCES: Reason.FAILED,
    pynvml.NVML_ERROR_FREQ_NOT_SUPPORTED: Reason.NOT_SUPPORTED,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH: Reason.MISSING,
    pynvml.NVML_ERROR_DEPRECATED: Reason.NOT_SUPPORTED,
    pynvml.NVML_ERROR_NOT_READY: Reason.FAILED,
    pynvml.NVML_ERROR_GPU_NOT_FOUND: Reason.FAILED,
    pynvml.NVML_ERROR_INVALID_STATE: Reason.FAILED,
    pynvml.NVML_ERROR_RESET_TYPE_NOT_SUPPORTED: Reason.NOT_SUPPORTED,
    pynvml.NVML_ERROR_UNKNOWN: Reason.FAILED,
}

_SYMBOLS: Mapping[int, str] = {pynvml.NVML_SUCCESS: SUCCESS} | {
    getattr(pynvml, symbol): symbol for symbol in dir(pynvml) if symbol.startswith("NVML_ERROR_")
}

# After one of these no other call on the same handle can succeed. RESET_REQUIRED is not among them: memory
# and processes are still reported.
FATAL = (
    pynvml.NVMLError_Uninitialized,
    pynvml.NVMLError_DriverNotLoaded,
    pynvml.NVMLError_LibraryNotFound,
    pynvml.NVMLError_LibRmVersionMismatch,
    pynvml.NVMLError_GpuIsLost,
)


def reason_of(code: int) -> Reason:
    """The reason for this return code; success without a value counts as not supported."""
    return Reason.NOT_SUPPORTED if code == pynvml.NVML_SUCCESS else _REASONS.get(code, Reason.FAILED)


def symbol_of(code: int) -> str:
    """The symbol in nvml.h; a code that nvidia-ml-py does not know is a number after NVML_ERROR_."""
    return _SYMBOLS.get(code, f"NVML_ERROR_{code}")


def words_of(code: int) -> str:
    """NVML's error text for a return code."""
    return "no value" if code == pynvml.NVML_SUCCESS else str(pynvml.NVMLError(code))
