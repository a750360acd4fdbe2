"""NVML's field values, many in one call, packed and unpacked as a whole.

pynvml's structs run a Python function for each member that is read or written, which for the hundred fields
of a GPU's links takes longer than the driver.
"""

from __future__ import annotations

import struct
from ctypes import byref, c_int
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml

from agent.sources.nvml import NOT_AVAILABLE, call_c_function

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    FieldKey = int | tuple[int, int]  # of nvmlDeviceGetFieldValues: an id, or an id and a scope

FUNCTION = "nvmlDeviceGetFieldValues"
# nvmlFieldValue_t: field, scope, time stamp, latency, type of the value, return code, value.
_LAYOUT = struct.Struct("@IIqqIIQ")
# Questions are tuples of constants, and of the links that a GPU has.
_MAX_QUERIES = 256


class _Kind(NamedTuple):
    """How many bits a whole number has, as a mask; and the bit of its sign, or 0."""

    mask: int
    sign: int = 0


_KINDS = {
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: _Kind(2**32 - 1),
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: _Kind(2**64 - 1),
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: _Kind(2**64 - 1),
    pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: _Kind(2**64 - 1, sign=2**63),
    pynvml.NVML_VALUE_TYPE_SIGNED_INT: _Kind(2**32 - 1, sign=2**31),  # -1 is a number there
}

_COUNTERS = (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG, pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG)


def query_field_values(raw: Any, fields: Sequence[FieldKey]) -> Any:
    """NVML's answer, to be decoded by `unpack_field_values`. Raises `pynvml.NVMLError`."""
    answer = _filled_array(tuple(fields))()
    call_c_function(FUNCTION, raw, c_int(len(fields)), byref(answer))
    return answer


query_field_values.__name__ = FUNCTION  # so it is called where its errors are shown


def unpack_field_values(answer: Any, count: int, *, counters: bool) -> Iterator[tuple[int, int | None]]:
    """The return code of each of `count` fields, and its whole number; None: it has none, or is refused.

    `counters`: only those of 64 bits.
    """
    for _, _, _, _, kind, code, value in _LAYOUT.iter_unpack(memoryview(answer)[:count]):
        is_valid = code == pynvml.NVML_SUCCESS and (not counters or kind in _COUNTERS)
        yield code, _whole_number(kind, value) if is_valid else None


def _whole_number(kind: int, value: int) -> int | None:
    bits = _KINDS.get(kind)
    if bits is None:
        return None
    number = value & bits.mask
    if number & bits.sign:
        return number - bits.mask - 1
    return None if number in NOT_AVAILABLE else number


@lru_cache(_MAX_QUERIES)
def _filled_array(fields: tuple[FieldKey, ...]) -> Any:
    """The array for NVML's answer, filled with the query.

    NVML may write one entry more than it was asked for (nvitop's own function leaves room for it, too).
    """
    keys = [(field, 0) if isinstance(field, int) else field for field in fields]
    entries = [(*key, 0, 0, 0, pynvml.NVML_ERROR_INVALID_ARGUMENT, 0) for key in [*keys, (0, 0)]]
    packed = b"".join(_LAYOUT.pack(*entry) for entry in entries)
    array = pynvml.c_nvmlFieldValue_t * len(entries)
    return lambda: array.from_buffer_copy(packed)
