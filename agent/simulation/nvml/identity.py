"""What a GPU is: name, uuid, place on the bus, compute capability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation.nvml import wire
from agent.simulation.nvml.registry import Device, device_function

if TYPE_CHECKING:
    from agent.simulation.gpu import SimulatedGpu


def bus_id(gpu: SimulatedGpu) -> str:
    """Domain, bus, device and function, as NVML prints them."""
    return f"00000000:{gpu.index + 1:02X}:00.0"


@device_function("nvmlDeviceGetIndex", "nvmlDeviceGetMinorNumber")
def index(device: Device, value: Any) -> None:
    wire.write(value, device.gpu.index)


@device_function("nvmlDeviceGetUUID", on_instance=True)
def uuid(device: Device, buffer: Any, size: Any) -> None:
    wire.write_text(buffer, size, device.instance.uuid if device.instance else device.values.uuid)


@device_function("nvmlDeviceGetName", on_instance=True)
def name(device: Device, buffer: Any, size: Any) -> None:
    suffix = f" MIG {device.instance.profile}" if device.instance else ""
    wire.write_text(buffer, size, wire.told(device.values.name) + suffix)


@device_function("nvmlDeviceGetPciInfo_v3", on_instance=True)
def pci_info(device: Device, info: Any) -> None:
    info = wire.target(info)
    info.domain, info.bus, info.device = 0, device.gpu.index + 1, 0
    info.busId = bus_id(device.gpu).encode()
    info.busIdLegacy = bus_id(device.gpu)[4:].encode()


@device_function("nvmlDeviceGetCudaComputeCapability", on_instance=True)
def cuda_compute_capability(device: Device, major: Any, minor: Any) -> None:
    for argument, value in zip((major, minor), device.gpu.model.compute_capability, strict=True):
        wire.write(argument, value)
