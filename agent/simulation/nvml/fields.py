"""Field values: what NVML tells by number, many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import FieldId, NvmlReturn
from agent.simulation.nvml.registry import Device, device_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UNSIGNED_INT, _UNSIGNED_LONG_LONG = 1, 3  # nvmlValueType_t


@device_function("nvmlDeviceGetFieldValues")
def field_values(device: Device, count: Any, entries: Any) -> None:
    now = int(device.simulation.wall_clock() * 1e6)
    entries = wire.target(entries)
    for entry in (entries[number] for number in range(wire.number(count))):
        entry.timestamp, entry.latencyUsec = now, 0
        read = _FIELDS.get(entry.fieldId)
        value = read(device, entry.scopeId) if read and device.gpu.supports(entry.fieldId) else None
        if value is None:
            entry.nvmlReturn = NvmlReturn.NOT_SUPPORTED
            continue
        entry.nvmlReturn = NvmlReturn.SUCCESS
        if entry.fieldId in _COUNTERS:
            entry.valueType, entry.value.ullVal = _UNSIGNED_LONG_LONG, value
        else:
            entry.valueType, entry.value.uiVal = _UNSIGNED_INT, value


def _pcie_tx(device: Device, _: int) -> int | None:
    is_told = device.simulation.pcie_counters and device.values.pcie_tx is not None
    return device.gpu.pcie_tx_bytes.read() if is_told else None


def _pcie_rx(device: Device, _: int) -> int | None:
    is_told = device.simulation.pcie_counters and device.values.pcie_rx is not None
    return device.gpu.pcie_rx_bytes.read() if is_told else None


def _nvlink_tx(device: Device, link: int) -> int | None:
    return device.gpu.nvlink_tx_kib.read() if link < len(device.gpu.nvlinks) else None


def _nvlink_rx(device: Device, link: int) -> int | None:
    return device.gpu.nvlink_rx_kib.read() if link < len(device.gpu.nvlinks) else None


def _recovery_action(device: Device, _: int) -> int | None:
    return device.gpu.error_counters.recovery_action if device.simulation.recovery_action else None


_FIELDS: Mapping[int, Callable[[Device, int], int | None]] = {
    FieldId.MEMORY_TEMP: lambda device, _: device.values.memory_temperature,
    FieldId.NVLINK_THROUGHPUT_DATA_TX: _nvlink_tx,
    FieldId.NVLINK_THROUGHPUT_DATA_RX: _nvlink_rx,
    FieldId.POWER_AVERAGE: lambda device, _: device.values.power_usage,
    FieldId.POWER_INSTANT: lambda device, _: device.values.power_usage,
    FieldId.PCIE_COUNT_TX_BYTES: _pcie_tx,
    FieldId.PCIE_COUNT_RX_BYTES: _pcie_rx,
    FieldId.GPU_RECOVERY_ACTION: _recovery_action,
}
_COUNTERS = {
    FieldId.NVLINK_THROUGHPUT_DATA_TX,
    FieldId.NVLINK_THROUGHPUT_DATA_RX,
    FieldId.PCIE_COUNT_TX_BYTES,
    FieldId.PCIE_COUNT_RX_BYTES,
}
