"""Memory of the GPU and of MIG instances, and BAR1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import VALUE_NOT_AVAILABLE_64
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device


UNUSED = 12 << 20  # bytes that are in use on an instance without a process


def memory_of(device: Device) -> tuple[int, int, int, int]:
    """Total, reserved, used and free bytes; an instance with a process has its share of what the GPU uses."""
    values, instance = device.values, device.instance
    if instance is None:
        total = wire.value_or_raise(values.memory_total)
        parts = values.memory_reserved or 0, values.memory_used, values.memory_free
    else:
        total = wire.value_or_raise(instance.memory_total)
        used = instance.memory_used
        if used is None:
            used = int(
                wire.value_or_raise(values.memory_used) * total / wire.value_or_raise(values.memory_total)
            )
            if all(process.mig_index != instance.mig_index for process in device.gpu.processes):
                used = min(used, UNUSED)
        free = instance.memory_free
        parts = instance.memory_reserved, used, max(0, total - used) if free is None else free
    reserved, used, free = (wire.value_or_marker(part, VALUE_NOT_AVAILABLE_64) for part in parts)
    return total, reserved, used, free


@device_function("nvmlDeviceGetMemoryInfo_v2", on_instance=True)
def memory_info_v2(device: Device, memory: Any) -> None:
    memory = wire.target(memory)
    memory.total, memory.reserved, memory.used, memory.free = memory_of(device)


@device_function("nvmlDeviceGetMemoryInfo", on_instance=True)
def memory_info_v1(device: Device, memory: Any) -> None:
    memory = wire.target(memory)
    memory.total, reserved, used, memory.free = memory_of(device)
    # Version 1 counts reserved memory as used.
    memory.used = used if VALUE_NOT_AVAILABLE_64 in (used, reserved) else used + reserved


@device_function("nvmlDeviceGetBAR1MemoryInfo", on_instance=True)
def bar1_memory_info(device: Device, memory: Any) -> None:
    memory = wire.target(memory)
    total, used = wire.value_or_raise(device.values.bar1_total), wire.value_or_raise(device.values.bar1_used)
    memory.bar1Total, memory.bar1Used, memory.bar1Free = total, used, total - used


@device_function("nvmlDeviceGetConfComputeMemSizeInfo")
def conf_compute_memory(device: Device, memory: Any) -> None:
    memory = wire.target(memory)
    memory.protectedMemSizeKib, memory.unprotectedMemSizeKib = (
        0,
        wire.value_or_raise(device.values.memory_total) // 1024,
    )
