"""XID errors as events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function, library_function

if TYPE_CHECKING:
    from agent.simulation.library import Device, SimulatedLibrary
    from agent.simulation.xid import EventSet

XID = 0x8  # nvmlEventTypeXidCriticalError


@library_function("nvmlEventSetCreate")
def create(library: SimulatedLibrary, event_set: Any) -> None:
    wire.write_handle(event_set, library.event_sets.create())


@library_function("nvmlEventSetFree")
def free(library: SimulatedLibrary, event_set: Any) -> None:
    _find(library, event_set).close()
    del library.event_sets.by_pointer[wire.read_handle(event_set)]


@device_function("nvmlDeviceGetSupportedEventTypes")
def supported_types(_: Device, types: Any) -> None:
    wire.write(types, XID)


@device_function("nvmlDeviceRegisterEvents")
def register(device: Device, types: Any, event_set: Any) -> None:
    if wire.number(types) & ~XID:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    handle = device.library.handle_of(device.gpu)
    _find(device.library, event_set).register(handle, device.gpu)


@library_function("nvmlEventSetWait_v2")
def wait(library: SimulatedLibrary, event_set: Any, data: Any, timeout_milliseconds: Any) -> None:
    waiting_in = _find(library, event_set)
    pointer = wire.read_handle(event_set)
    event = waiting_in.take(wire.number(timeout_milliseconds) / 1000)
    if event is None and pointer not in library.event_sets.by_pointer:
        raise NvmlFailure(NvmlReturn.UNINITIALIZED)
    if event is None:
        raise NvmlFailure(NvmlReturn.GPU_IS_LOST if waiting_in.has_lost_one else NvmlReturn.TIMEOUT)
    data = wire.target(data)
    handle, data.eventData = event
    wire.write_handle(data.device, handle)
    data.eventType = XID


def _find(library: SimulatedLibrary, event_set: Any) -> EventSet:
    found = library.event_sets.by_pointer.get(wire.read_handle(event_set))
    if found is None:
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    return found
