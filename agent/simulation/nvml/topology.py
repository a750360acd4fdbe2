"""The PCIe topology: two GPUs on each switch, four on each socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device

_INTERNAL, _SINGLE_SWITCH, _NODE, _SYSTEM = 0, 10, 40, 50  # nvmlGpuTopologyLevel_t


@device_function("nvmlDeviceGetTopologyCommonAncestor")
def common_ancestor(device: Device, other: Any, level: Any) -> None:
    symbol = "nvmlDeviceGetTopologyCommonAncestor"
    one, two = device.gpu.index, device.library.device(wire.read_handle(other), symbol).gpu.index
    if one == two:
        wire.write(level, _INTERNAL)
    elif one // 2 == two // 2:
        wire.write(level, _SINGLE_SWITCH)
    else:
        wire.write(level, _NODE if one // 4 == two // 4 else _SYSTEM)
