"""Field values: what NVML tells by number, many at once. Each field stands in the module of its subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.call_faults import FIELD_VALUES
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import FIELDS, device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device

_UNSIGNED_INT, _UNSIGNED_LONG_LONG = 1, 3  # nvmlValueType_t


@device_function(FIELD_VALUES)
def field_values(device: Device, count: Any, entries: Any) -> None:
    now = int(device.library.wall_clock() * 1e6)
    entries = wire.target(entries)
    for entry in (entries[number] for number in range(wire.number(count))):
        entry.timestamp, entry.latencyUsec = now, 0
        try:
            _fill(device, entry)
        except NvmlFailure as failure:
            entry.nvmlReturn = failure.code
        else:
            entry.nvmlReturn = NvmlReturn.SUCCESS


def _fill(device: Device, entry: Any) -> None:
    number = entry.fieldId
    for faulty in (device.library, device.gpu):
        faulty.raise_if_failing(FIELD_VALUES, number)
    field = FIELDS.get(number)
    if field is None or not device.gpu.supports(number):
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    value = wire.told(field.read(device, entry.scopeId))
    if field.is_counter:
        entry.valueType, entry.value.ullVal = _UNSIGNED_LONG_LONG, value
    else:
        entry.valueType, entry.value.uiVal = _UNSIGNED_INT, value
