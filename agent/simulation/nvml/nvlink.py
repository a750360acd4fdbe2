"""NVLink: the links, their remote ends, throughput and errors."""

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
_FIRST_WITH_FIELDS = 9  # compute capability: Hopper, which the field values of states came with
_VERSIONS = {8: 3, 9: 4}  # by compute capability


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


def _counts_packets(device: Device, link: int) -> bool:
    return device.gpu.nvlink_packets and _is_there(device, link)


@device_function("nvmlDeviceGetNvLinkState")
def link_state(device: Device, link: Any, is_active: Any) -> None:
    if len(device.gpu.nvlinks) <= wire.number(link) < device.gpu.nvlinks_listed:
        wire.write(is_active, 0)
        return
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
        fill_pci_info(info, wire.value_or_raise(remote.values.bus_id))


@device_function("nvmlDeviceGetNvLinkVersion")
def link_version(device: Device, link: Any, version: Any) -> None:
    _remote(device, link)
    wire.write(version, _version(device))


def _version(device: Device) -> int:
    return _VERSIONS.get(device.gpu.model.compute_capability[0], 2)


@device_function("nvmlDeviceGetNvLinkErrorCounter")
def link_errors(device: Device, link: Any, counter: Any, count: Any) -> None:
    _remote(device, link)
    if device.gpu.nvlink_packets:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    errors = device.gpu.error_counters.nvlink_errors
    wire.write(count, errors.get((wire.number(link), wire.number(counter)), 0))


def _has_fields(device: Device, link: int) -> bool:
    return _is_there(device, link) and device.gpu.model.compute_capability[0] >= _FIRST_WITH_FIELDS


@field_value(FieldId.NVLINK_STATE)
def state(device: Device, link: int) -> int | None:
    if device.gpu.nvlinks_listed and len(device.gpu.nvlinks) <= link < device.gpu.nvlinks_listed:
        return 0
    return int(link not in device.gpu.nvlinks_down) if _has_fields(device, link) else None


@field_value(FieldId.NVLINK_VERSION)
def version(device: Device, link: int) -> int | None:
    return _version(device) if _has_fields(device, link) else None


def _errors_before_5(field: FieldId, *counters: int) -> None:
    """The sum of these counters of nvmlDeviceGetNvLinkErrorCounter."""

    @field_value(field, kind="counter")
    def read(device: Device, link: int) -> int | None:
        if not _has_fields(device, link) or device.gpu.nvlink_packets:
            return None
        errors = device.gpu.error_counters.nvlink_errors
        return sum(errors.get((link, counter), 0) for counter in counters)


_errors_before_5(FieldId.NVLINK_REPLAYS, 0)
_errors_before_5(FieldId.NVLINK_RECOVERIES_BEFORE_5, 1)
_errors_before_5(FieldId.NVLINK_CRC_ERRORS, 2, 3)


@field_value(FieldId.NVLINK_THROUGHPUT_DATA_TX, kind="counter")
def tx_kib(device: Device, link: int) -> int | None:
    counts = _is_there(device, link) and not device.gpu.nvlink_packets
    return device.gpu.nvlink_tx_kib.read() if counts else None


@field_value(FieldId.NVLINK_THROUGHPUT_DATA_RX, kind="counter")
def rx_kib(device: Device, link: int) -> int | None:
    counts = _is_there(device, link) and not device.gpu.nvlink_packets
    return device.gpu.nvlink_rx_kib.read() if counts else None


@field_value(FieldId.NVLINK_COUNT)
def link_count(device: Device, _scope: int) -> int | None:
    count = len(device.gpu.nvlinks)
    return count if (count or device.gpu.nvlinks_listed) and not device.gpu.mig_enabled else None


@field_value(FieldId.NVLINK_SPEED)
def link_speed(device: Device, link: int) -> int | None:
    if not _is_there(device, link):
        return None
    return 0 if link in device.gpu.nvlinks_down else device.values.nvlink_speed


@field_value(FieldId.NVLINK_SPEED_COMMON)
def common_speed(device: Device, _scope: int) -> int | None:
    return device.values.nvlink_speed if _is_there(device, 0) else None


@field_value(FieldId.NVLINK_SENT_BYTES, kind="counter")
def sent_bytes(device: Device, link: int) -> int | None:
    return 1024 * device.gpu.nvlink_tx_kib.read() if _counts_packets(device, link) else None


@field_value(FieldId.NVLINK_RECEIVED_BYTES, kind="counter")
def received_bytes(device: Device, link: int) -> int | None:
    return 1024 * device.gpu.nvlink_rx_kib.read() if _counts_packets(device, link) else None


def _packet_errors(field: FieldId) -> None:
    @field_value(field, kind="counter")
    def read(device: Device, link: int) -> int | None:
        errors = device.gpu.error_counters.nvlink_packet_errors
        return errors.get((link, field), 0) if _counts_packets(device, link) else None


for _field in (
    FieldId.NVLINK_MALFORMED_PACKETS,
    FieldId.NVLINK_BUFFER_OVERRUNS,
    FieldId.NVLINK_RECEIVE_ERRORS,
    FieldId.NVLINK_RECEIVE_REMOTE_ERRORS,
    FieldId.NVLINK_RECEIVE_GENERAL_ERRORS,
    FieldId.NVLINK_LOCAL_INTEGRITY_ERRORS,
    FieldId.NVLINK_TRANSMIT_DISCARDS,
    FieldId.NVLINK_FAILED_RECOVERIES,
    FieldId.NVLINK_RECOVERIES,
    FieldId.NVLINK_EFFECTIVE_ERRORS,
    FieldId.NVLINK_SYMBOL_ERRORS,
):
    _packet_errors(_field)
