"""MIG mode, and handles of instances and their parents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import VALUE_NOT_AVAILABLE_32, NvmlFailure, NvmlReturn
from agent.simulation.mig import MAX_INSTANCES, MigInstance
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device


@device_function("nvmlDeviceGetMigMode")
def mig_mode(device: Device, current: Any, pending: Any) -> None:
    gpu = device.gpu
    if not gpu.has_mig:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    wire.write(current, int(gpu.mig_enabled))
    after_reset = gpu.mig_enabled if gpu.mig_pending is None else gpu.mig_pending
    wire.write(pending, wire.value_or_marker(after_reset, VALUE_NOT_AVAILABLE_32))


@device_function("nvmlDeviceGetMaxMigDeviceCount")
def max_mig_device_count(device: Device, count: Any) -> None:
    wire.write(count, MAX_INSTANCES if device.gpu.has_mig else 0)


@device_function("nvmlDeviceGetMigDeviceHandleByIndex")
def mig_device_handle(device: Device, index: Any, handle: Any) -> None:
    mig_index = wire.number(index)
    if mig_index >= MAX_INSTANCES:
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    if device.gpu.mig_instance(mig_index) is None:
        raise NvmlFailure(NvmlReturn.NOT_FOUND)
    wire.write_handle(handle, device.library.handle_of(device.gpu, mig_index))


@device_function("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", on_instance=True)
def parent_handle(device: Device, handle: Any) -> None:
    _instance(device)
    wire.write_handle(handle, device.library.handle_of(device.gpu))


@device_function("nvmlDeviceIsMigDeviceHandle", on_instance=True)
def is_mig_device_handle(device: Device, answer: Any) -> None:
    wire.write(answer, int(device.instance is not None))


@device_function("nvmlDeviceGetGpuInstanceId", on_instance=True)
def gpu_instance_id(device: Device, value: Any) -> None:
    wire.write(value, _instance(device).gpu_instance_id)


@device_function("nvmlDeviceGetComputeInstanceId", on_instance=True)
def compute_instance_id(device: Device, value: Any) -> None:
    wire.write(value, _instance(device).compute_instance_id)


def _instance(device: Device) -> MigInstance:
    if device.instance is None:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    return device.instance
