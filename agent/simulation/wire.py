"""Reading and writing C arguments as pynvml and nvitop pass them: ctypes objects, bare or in `byref`."""

from __future__ import annotations

import ctypes
from typing import (
    Any,
    TypeVar,
)  # Any: ctypes arguments have no type of their own: each function knows what it is given

from agent.simulation.codes import NvmlFailure, NvmlReturn

_T = TypeVar("_T")


def target(argument: Any) -> Any:
    """The object that a pointer argument points to."""
    return getattr(argument, "_obj", argument)


def number(argument: Any) -> int:
    """An integer argument, passed as a Python int or as a ctypes one."""
    return int(getattr(argument, "value", argument))


def value_or_raise(value: _T | None) -> _T:
    """The value.

    Raises NvmlFailure if the GPU does not report it: with the given code, else NOT_SUPPORTED.
    """
    if value is None:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    if isinstance(value, NvmlReturn):
        raise NvmlFailure(value)
    return value


def value_or_marker(value: int | None, not_available: int) -> int:
    """A member of a struct of which other members are reported; NVML's mark of no value if this is not."""
    return not_available if value is None or isinstance(value, NvmlReturn) else value


def write(argument: Any, value: float | None) -> None:
    """Write a number through a pointer; None is what the GPU does not report."""
    target(argument).value = value_or_raise(value)


def write_text(buffer: Any, size: Any, text: str | NvmlReturn | None) -> None:
    """Write text into a caller's buffer, with its closing zero byte."""
    encoded = str(value_or_raise(text)).encode()
    if len(encoded) + 1 > number(size):
        raise NvmlFailure(NvmlReturn.INSUFFICIENT_SIZE)
    target(buffer).value = encoded


def read_handle(handle: Any) -> int:
    """A device handle or GPM sample as a number; 0 for a null one."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def write_handle(argument: Any, handle: int) -> None:
    """Write a device handle or GPM sample through a pointer."""
    ctypes.c_void_p.from_buffer(target(argument)).value = handle
