"""Memory: of the GPU, of a MIG instance, and the window that the CPU sees (BAR1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.models import MIB
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device


def memory_of(device: Device) -> tuple[int, int, int]:
    """Total, reserved and used bytes; an instance has its share of what the whole GPU uses."""
    values = device.values
    total, used, reserved = (
        wire.told(values.memory_total),
        wire.told(values.memory_used),
        values.memory_reserved,
    )
    if device.instance is None:
        return total, reserved or 0, used
    share = device.instance.memory_total / total
    return device.instance.memory_total, 0, int(used * share)


@device_function("nvmlDeviceGetMemoryInfo_v2", on_instance=True)
def memory_info_v2(device: Device, memory: Any) -> None:
    memory = wire.target(memory)
    total, reserved, used = memory_of(device)
    memory.total, memory.reserved, memory.used = total, reserved, used
    memory.free = max(0, total - reserved - used)


@device_function("nvmlDeviceGetMemoryInfo", on_instance=True)
def memory_info_v1(device: Device, memory: Any) -> None:
    memory = wire.target(memory)
    total, reserved, used = memory_of(device)
    memory.total, memory.used = total, used + reserved  # version 1 counts reserved memory as used
    memory.free = max(0, total - reserved - used)


@device_function("nvmlDeviceGetBAR1MemoryInfo", on_instance=True)
def bar1_memory_info(device: Device, memory: Any) -> None:
    memory = wire.target(memory)
    total = wire.told(device.gpu.model.bar1_total_mib) * MIB
    used = 2 * MIB
    memory.bar1Total, memory.bar1Used, memory.bar1Free = total, used, total - used


@device_function("nvmlDeviceGetConfComputeMemSizeInfo")
def conf_compute_memory(device: Device, memory: Any) -> None:
    memory = wire.target(memory)
    memory.protectedMemSizeKib, memory.unprotectedMemSizeKib = (
        0,
        wire.told(device.values.memory_total) // 1024,
    )
