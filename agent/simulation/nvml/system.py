"""Initialisation, versions, and handles by index, UUID or bus id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import library_function

if TYPE_CHECKING:
    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.library import SimulatedLibrary


@library_function("nvmlInit_v2", "nvmlInitWithFlags", needs_init=False)
def init(library: SimulatedLibrary, *_flags: Any) -> None:
    library.initialise()


@library_function("nvmlShutdown")
def shutdown(library: SimulatedLibrary) -> None:
    library.shut_down()


@library_function("nvmlErrorString", needs_init=False)
def error_string(_: SimulatedLibrary, code: Any) -> bytes:
    try:
        return NvmlReturn(wire.number(code)).name.replace("_", " ").capitalize().encode()
    except ValueError:
        return b"Unknown Error"


@library_function("nvmlSystemGetDriverVersion")
def driver_version(library: SimulatedLibrary, buffer: Any, size: Any) -> None:
    wire.write_text(buffer, size, library.driver_version)


@library_function("nvmlSystemGetNVMLVersion", needs_init=False)
def nvml_version(library: SimulatedLibrary, buffer: Any, size: Any) -> None:
    wire.write_text(buffer, size, library.nvml_version)


@library_function("nvmlSystemGetCudaDriverVersion", "nvmlSystemGetCudaDriverVersion_v2", needs_init=False)
def cuda_driver_version(library: SimulatedLibrary, version: Any) -> None:
    if library.driver != "present":
        raise NvmlFailure(NvmlReturn.LIBRARY_NOT_FOUND)
    wire.write(version, library.cuda_version)


@library_function("nvmlDeviceGetCount_v2")
def device_count(library: SimulatedLibrary, count: Any) -> None:
    wire.write(count, len(library.listed))  # lost and forbidden ones too


@library_function("nvmlDeviceGetHandleByIndex_v2")
def handle_by_index(library: SimulatedLibrary, index: Any, handle: Any) -> None:
    number = wire.number(index)
    if number >= len(library.listed):
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    _hand_out(library, library.listed[number], handle, "nvmlDeviceGetHandleByIndex_v2")


@library_function("nvmlDeviceGetHandleByUUID")
def handle_by_uuid(library: SimulatedLibrary, uuid: Any, handle: Any) -> None:
    wanted = uuid.value.decode()
    for gpu in library.listed:
        if gpu.values.uuid == wanted:
            return _hand_out(library, gpu, handle, "nvmlDeviceGetHandleByUUID")
        for instance in gpu.mig_instances:
            if instance.uuid == wanted:
                return _hand_out(library, gpu, handle, "nvmlDeviceGetHandleByUUID", instance.mig_index)
    raise NvmlFailure(NvmlReturn.NOT_FOUND)


@library_function("nvmlDeviceGetHandleByPciBusId_v2")
def handle_by_pci_bus_id(library: SimulatedLibrary, wanted: Any, handle: Any) -> None:
    for gpu in library.listed:
        if gpu.values.bus_id == wanted.value.decode().upper():
            return _hand_out(library, gpu, handle, "nvmlDeviceGetHandleByPciBusId_v2")
    raise NvmlFailure(NvmlReturn.NOT_FOUND)


def _hand_out(
    library: SimulatedLibrary, gpu: SimulatedGpu, handle: Any, symbol: str, mig_index: int | None = None
) -> None:
    gpu.raise_if_faulty(symbol, library.advance)
    wire.write_handle(handle, library.handle_of(gpu, mig_index))
