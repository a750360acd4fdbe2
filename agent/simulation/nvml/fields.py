"""Field values: what NVML tells by number, many at once. Each field stands in the module of its subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import NvmlReturn
from agent.simulation.nvml.registry import FIELDS, device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device

_UNSIGNED_INT, _UNSIGNED_LONG_LONG = 1, 3  # nvmlValueType_t


@device_function("nvmlDeviceGetFieldValues")
def field_values(device: Device, count: Any, entries: Any) -> None:
    now = int(device.library.wall_clock() * 1e6)
    entries = wire.target(entries)
    for entry in (entries[number] for number in range(wire.number(count))):
        entry.timestamp, entry.latencyUsec = now, 0
        field = FIELDS.get(entry.fieldId)
        value = None
        if field is not None and device.gpu.supports(entry.fieldId):
            value = field.read(device, entry.scopeId)
        if field is None or value is None:
            entry.nvmlReturn = NvmlReturn.NOT_SUPPORTED
            continue
        entry.nvmlReturn = NvmlReturn.SUCCESS
        if field.is_counter:
            entry.valueType, entry.value.ullVal = _UNSIGNED_LONG_LONG, value
        else:
            entry.valueType, entry.value.uiVal = _UNSIGNED_INT, value
