"""NVLink: how many links there are, what is at the other end of each, and what they carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import FieldId, NvmlFailure, NvmlReturn
from agent.simulation.nvml.identity import fill_pci_info
from agent.simulation.nvml.registry import device_function, field_value

if TYPE_CHECKING:
    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.library import Device

_TO_GPU, _TO_SWITCH = 0, 2  # nvmlIntNvLinkDeviceType_t
_SWITCH_DOMAIN = 1  # switches are on a bus of their own
_SWITCHES = 4  # the links are spread over that many


def _remote(device: Device, link: Any) -> SimulatedGpu | None:
    """The GPU at the other end, None for a switch."""
    links = device.gpu.nvlinks
    if not links or device.gpu.mig_enabled:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    if wire.number(link) >= len(links):
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    return links[wire.number(link)]


def _is_there(device: Device, link: int) -> bool:
    """MIG mode switches every link off."""
    return link < len(device.gpu.nvlinks) and not device.gpu.mig_enabled


@device_function("nvmlDeviceGetNvLinkState")
def link_state(device: Device, link: Any, is_active: Any) -> None:
    _remote(device, link)
    wire.write(is_active, int(wire.number(link) not in device.gpu.nvlinks_down))


@device_function("nvmlDeviceGetNvLinkRemoteDeviceType")
def remote_device_type(device: Device, link: Any, kind: Any) -> None:
    wire.write(kind, _TO_SWITCH if _remote(device, link) is None else _TO_GPU)


@device_function("nvmlDeviceGetNvLinkRemotePciInfo_v2")
def remote_pci_info(device: Device, link: Any, info: Any) -> None:
    remote = _remote(device, link)
    if remote is None:
        fill_pci_info(info, f"{_SWITCH_DOMAIN:08X}:{wire.number(link) % _SWITCHES:02X}:00.0")
    else:
        fill_pci_info(info, wire.told(remote.values.bus_id))


@device_function("nvmlDeviceGetNvLinkVersion")
def link_version(device: Device, link: Any, version: Any) -> None:
    _remote(device, link)
    wire.write(version, {8: 3, 9: 4}.get(device.gpu.model.compute_capability[0], 2))


@device_function("nvmlDeviceGetNvLinkErrorCounter")
def link_errors(device: Device, link: Any, counter: Any, count: Any) -> None:
    _remote(device, link)
    errors = device.gpu.error_counters.nvlink_errors
    wire.write(count, errors.get((wire.number(link), wire.number(counter)), 0))


@field_value(FieldId.NVLINK_THROUGHPUT_DATA_TX, kind="counter")
def tx_kib(device: Device, link: int) -> int | None:
    return device.gpu.nvlink_tx_kib.read() if _is_there(device, link) else None


@field_value(FieldId.NVLINK_THROUGHPUT_DATA_RX, kind="counter")
def rx_kib(device: Device, link: int) -> int | None:
    return device.gpu.nvlink_rx_kib.read() if _is_there(device, link) else None
