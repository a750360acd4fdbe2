"""Field values: values that NVML reports by id, many in one call.

Each field is in the module of its subject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.call_faults import FIELD_VALUES
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import FIELDS, device_function

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.simulation.call_faults import Faults
    from agent.simulation.library import Device

# Kind of the field -> nvmlValueType_t, and the member of nvmlValue_t.
_TYPES = {"unsigned": (1, "uiVal"), "counter": (3, "ullVal"), "signed": (5, "siVal")}


@device_function(FIELD_VALUES)
def field_values(device: Device, count: Any, entries: Any) -> None:
    now = int(device.library.wall_clock() * 1e6)
    entries = wire.target(entries)
    faulty = [faults for faults in (device.library, device.gpu) if faults.fails]
    for entry in (entries[number] for number in range(wire.number(count))):
        entry.timestamp, entry.latencyUsec = now, 0
        try:
            _fill(device, entry, faulty)
        except NvmlFailure as failure:
            entry.nvmlReturn = failure.code
        else:
            entry.nvmlReturn = NvmlReturn.SUCCESS


def _fill(device: Device, entry: Any, faulty: Iterable[Faults]) -> None:
    number = entry.fieldId
    for faults in faulty:
        faults.raise_if_failing(FIELD_VALUES, number)
    field, value = FIELDS.get(device.library.field_ids.get(number, number)), None
    if field is not None and device.gpu.supports(number):
        value = field.read(device, entry.scopeId)
    if field is None or value is None:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    wire.value_or_raise(value)  # a return code may stand in its place
    entry.valueType, member = _TYPES[field.kind]
    setattr(entry.value, member, value)
