"""What a GPU is: name, uuid, place on the bus, compute capability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.library import Device


def bus_id(gpu: SimulatedGpu) -> str:
    """Domain, bus, device and function, as NVML prints them."""
    return f"00000000:{gpu.index + 1:02X}:00.0"


def fill_pci_info(info: Any, *, domain: int, bus: int) -> None:
    """Write nvmlPciInfo_t: of the device 0 on this bus."""
    info = wire.target(info)
    info.domain, info.bus, info.device = domain, bus, 0
    info.busId = f"{domain:08X}:{bus:02X}:00.0".encode()
    info.busIdLegacy = f"{domain:04X}:{bus:02X}:00.0".encode()


@device_function("nvmlDeviceGetIndex", "nvmlDeviceGetMinorNumber")
def index(device: Device, value: Any) -> None:
    wire.write(value, device.library.listed.index(device.gpu))


@device_function("nvmlDeviceGetUUID", on_instance=True)
def uuid(device: Device, buffer: Any, size: Any) -> None:
    wire.write_text(buffer, size, device.instance.uuid if device.instance else device.values.uuid)


@device_function("nvmlDeviceGetName", on_instance=True)
def name(device: Device, buffer: Any, size: Any) -> None:
    suffix = f" MIG {device.instance.profile}" if device.instance else ""
    wire.write_text(buffer, size, wire.told(device.values.name) + suffix)


@device_function("nvmlDeviceGetPciInfo_v3", on_instance=True)
def pci_info(device: Device, info: Any) -> None:
    fill_pci_info(info, domain=0, bus=device.gpu.index + 1)


@device_function("nvmlDeviceGetCudaComputeCapability", on_instance=True)
def cuda_compute_capability(device: Device, major: Any, minor: Any) -> None:
    for argument, value in zip((major, minor), device.gpu.model.compute_capability, strict=True):
        wire.write(argument, value)


@device_function("nvmlDeviceGetSerial")
def serial(device: Device, buffer: Any, size: Any) -> None:
    has_serial = device.gpu.model.has_serial
    wire.write_text(buffer, size, f"13206210{device.gpu.index:05}" if has_serial else None)


@device_function("nvmlDeviceGetBoardPartNumber")
def board_part_number(device: Device, buffer: Any, size: Any) -> None:
    wire.write_text(buffer, size, device.gpu.model.part_number)


@device_function("nvmlDeviceGetVbiosVersion")
def vbios_version(device: Device, buffer: Any, size: Any) -> None:
    major, minor = device.gpu.model.compute_capability
    wire.write_text(buffer, size, f"{major:02}.{minor:02}.74.00.01")
