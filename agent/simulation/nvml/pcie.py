"""The PCIe link: its shape, its throughput, and the field values that count its bytes."""

from __future__ import annotations

import time
from typing import Any

from agent.simulation.codes import FieldId, NvmlFailure, NvmlReturn
from agent.simulation.nvml import wire
from agent.simulation.nvml.registry import Device, device_function

_UNSIGNED_INT, _UNSIGNED_LONG_LONG = 1, 3  # nvmlValueType_t


@device_function("nvmlDeviceGetCurrPcieLinkGeneration")
def link_generation(device: Device, value: Any) -> None:
    wire.write(value, device.values.pcie_generation)


@device_function("nvmlDeviceGetCurrPcieLinkWidth")
def link_width(device: Device, value: Any) -> None:
    wire.write(value, device.values.pcie_width)


@device_function("nvmlDeviceGetMaxPcieLinkGeneration")
def max_link_generation(device: Device, value: Any) -> None:
    wire.write(value, device.values.pcie_max_generation)


@device_function("nvmlDeviceGetMaxPcieLinkWidth")
def max_link_width(device: Device, value: Any) -> None:
    wire.write(value, device.values.pcie_max_width)


@device_function("nvmlDeviceGetPcieThroughput")
def throughput(device: Device, counter: Any, kib_per_second: Any) -> None:
    rates = {0: device.values.pcie_tx, 1: device.values.pcie_rx}
    if wire.number(counter) not in rates:
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    rate = wire.told(rates[wire.number(counter)])
    time.sleep(device.simulation.pcie_window_seconds)  # the real one counts bytes meanwhile
    wire.write(kib_per_second, rate)


@device_function("nvmlDeviceGetFieldValues")
def field_values(device: Device, count: Any, entries: Any) -> None:
    now = int(device.simulation.wall_clock() * 1e6)
    entries = wire.target(entries)
    for entry in (entries[number] for number in range(wire.number(count))):
        entry.timestamp, entry.latencyUsec = now, 0
        value = _field(device, entry.fieldId)
        if value is None:
            entry.nvmlReturn = NvmlReturn.NOT_SUPPORTED
            continue
        entry.nvmlReturn = NvmlReturn.SUCCESS
        if entry.fieldId == FieldId.MEMORY_TEMP:
            entry.valueType, entry.value.uiVal = _UNSIGNED_INT, value
        else:
            entry.valueType, entry.value.ullVal = _UNSIGNED_LONG_LONG, value


def _field(device: Device, field_id: int) -> int | None:
    if not device.gpu.supports(field_id):
        return None
    if field_id == FieldId.MEMORY_TEMP:
        return device.values.memory_temperature
    if not device.simulation.pcie_counters:
        return None
    if field_id == FieldId.PCIE_COUNT_TX_BYTES and device.values.pcie_tx is not None:
        return device.gpu.pcie_tx_bytes.read()
    if field_id == FieldId.PCIE_COUNT_RX_BYTES and device.values.pcie_rx is not None:
        return device.gpu.pcie_rx_bytes.read()
    return None
