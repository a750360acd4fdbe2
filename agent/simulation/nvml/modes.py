"""The performance state, and the modes that an administrator sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device


@device_function("nvmlDeviceGetPerformanceState")
def performance_state(device: Device, state: Any) -> None:
    wire.write(state, device.values.performance_state)


@device_function("nvmlDeviceGetPersistenceMode")
def persistence_mode(device: Device, mode: Any) -> None:
    wire.write(mode, device.values.persistence_mode)


@device_function("nvmlDeviceGetComputeMode")
def compute_mode(device: Device, mode: Any) -> None:
    wire.write(mode, device.gpu.compute_mode)


@device_function("nvmlDeviceGetVirtualizationMode")
def virtualization_mode(device: Device, mode: Any) -> None:
    wire.write(mode, device.gpu.virtualization_mode)


@device_function("nvmlDeviceGetAddressingMode")
def addressing_mode(device: Device, mode: Any) -> None:
    wire.write(mode, device.values.addressing_mode)


@device_function("nvmlDeviceGetDisplayActive", "nvmlDeviceGetDisplayMode")
def display(device: Device, state: Any) -> None:
    wire.write(state, int(device.gpu.model.display))


@device_function("nvmlDeviceGetDriverModel", "nvmlDeviceGetDriverModel_v2")
def driver_model(_: Device, _current: Any, _pending: Any) -> None:
    raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)  # a matter of Windows
