"""Field values: values that NVML reports by id, many in one call.

Each field is in the module of its subject.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.call_faults import FIELD_VALUES
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import FIELDS, device_function

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.simulation.call_faults import Faults
    from agent.simulation.library import Device

# nvmlFieldValue_t: field, scope, time stamp, latency, type of the value, return code, value. It is read and
# written as a whole, because pynvml's struct runs a Python function for each member.
_ENTRY = struct.Struct("@IIqqIIQ")
# Kind of the field -> nvmlValueType_t, and how many bits of nvmlValue_t it has, as a mask.
_TYPES = {"unsigned": (1, 2**32 - 1), "counter": (3, 2**64 - 1), "signed": (5, 2**32 - 1)}


@device_function(FIELD_VALUES)
def field_values(device: Device, count: Any, entries: Any) -> None:
    now = int(device.library.wall_clock() * 1e6)
    buffer = memoryview(wire.target(entries)).cast("B")[: wire.number(count) * _ENTRY.size]
    faulty = [faults for faults in (device.library, device.gpu) if faults.fails]
    for place, (number, scope, *_) in enumerate(_ENTRY.iter_unpack(bytes(buffer))):
        code, kind, value = int(NvmlReturn.SUCCESS), 0, 0
        try:
            kind, value = _read(device, number, scope, faulty)
        except NvmlFailure as failure:
            code = failure.code
        _ENTRY.pack_into(buffer, place * _ENTRY.size, number, scope, now, 0, kind, code, value)


def _read(device: Device, number: int, scope: int, faulty: Iterable[Faults]) -> tuple[int, int]:
    """The type of the value, and its bits."""
    for faults in faulty:
        faults.raise_if_failing(FIELD_VALUES, number)
    field, value = FIELDS.get(device.library.field_ids.get(number, number)), None
    if field is not None and device.gpu.supports(number):
        value = field.read(device, scope)
    if field is None or value is None:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    wire.value_or_raise(value)  # a return code may stand in its place
    kind, mask = _TYPES[field.kind]
    return kind, value & mask
