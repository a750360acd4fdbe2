"""Identity of a GPU: name, UUID, PCI address, compute capability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device


def fill_pci_info(info: Any, bus_id: str) -> None:
    """Write nvmlPciInfo_t of the device at this place."""
    info = wire.target(info)
    domain, bus, device = bus_id.partition(".")[0].split(":")
    info.domain, info.bus, info.device = (int(part, 16) for part in (domain, bus, device))
    info.busId = bus_id.encode()
    info.busIdLegacy = bus_id[-len("0000:00:00.0") :].encode()


@device_function("nvmlDeviceGetIndex", "nvmlDeviceGetMinorNumber")
def index(device: Device, value: Any) -> None:
    wire.write(value, device.library.listed.index(device.gpu))


@device_function("nvmlDeviceGetUUID", on_instance=True)
def uuid(device: Device, buffer: Any, size: Any) -> None:
    wire.write_text(buffer, size, device.instance.uuid if device.instance else device.values.uuid)


@device_function("nvmlDeviceGetName", on_instance=True)
def name(device: Device, buffer: Any, size: Any) -> None:
    suffix = f" MIG {wire.value_or_raise(device.instance.profile)}" if device.instance else ""
    wire.write_text(buffer, size, wire.value_or_raise(device.values.name) + suffix)


@device_function("nvmlDeviceGetPciInfo_v3", on_instance=True)
def pci_info(device: Device, info: Any) -> None:
    fill_pci_info(info, wire.value_or_raise(device.values.bus_id))


@device_function("nvmlDeviceGetCudaComputeCapability", on_instance=True)
def cuda_compute_capability(device: Device, major: Any, minor: Any) -> None:
    for argument, value in zip(
        (major, minor), wire.value_or_raise(device.values.compute_capability), strict=True
    ):
        wire.write(argument, value)


@device_function("nvmlDeviceGetSerial")
def serial(device: Device, buffer: Any, size: Any) -> None:
    wire.write_text(buffer, size, device.values.serial)


@device_function("nvmlDeviceGetBoardPartNumber")
def board_part_number(device: Device, buffer: Any, size: Any) -> None:
    wire.write_text(buffer, size, device.values.part_number)


@device_function("nvmlDeviceGetArchitecture")
def architecture(device: Device, value: Any) -> None:
    wire.write(value, device.values.architecture)


@device_function("nvmlDeviceGetGspFirmwareVersion")
def gsp_firmware_version(device: Device, buffer: Any) -> None:
    version = device.values.gsp_firmware_version
    wire.write_text(buffer, 64, device.library.driver_version if version == "" else version)


@device_function("nvmlDeviceGetGspFirmwareMode")
def gsp_firmware_mode(device: Device, enabled: Any, default: Any) -> None:
    for argument in (enabled, default):
        wire.write(argument, device.values.gsp_firmware_mode)


@device_function("nvmlDeviceGetVbiosVersion")
def vbios_version(device: Device, buffer: Any, size: Any) -> None:
    wire.write_text(buffer, size, device.values.vbios_version)
