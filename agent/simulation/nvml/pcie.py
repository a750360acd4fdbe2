"""The PCIe link: generation, width, throughput and errors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import FieldId, NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function, field_value

if TYPE_CHECKING:
    from agent.simulation.library import Device


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


@device_function("nvmlDeviceGetGpuMaxPcieLinkGeneration")
def card_generation(device: Device, value: Any) -> None:
    wire.write(value, device.values.pcie_card_generation)


@device_function("nvmlDeviceGetPcieThroughput")
def throughput(device: Device, counter: Any, kib_per_second: Any) -> None:
    rates = {0: device.values.pcie_tx, 1: device.values.pcie_rx}
    if wire.number(counter) not in rates:
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    rate = wire.value_or_raise(rates[wire.number(counter)])
    time.sleep(device.library.pcie_window_seconds)  # the real one counts bytes meanwhile
    wire.write(kib_per_second, rate)


@field_value(FieldId.PCIE_COUNT_TX_BYTES, kind="counter")
def tx_bytes(device: Device, _scope: int) -> int | None:
    is_reported = device.library.pcie_counters and device.values.pcie_tx is not None
    return device.gpu.pcie_tx_bytes.read() if is_reported else None


@field_value(FieldId.PCIE_COUNT_RX_BYTES, kind="counter")
def rx_bytes(device: Device, _scope: int) -> int | None:
    is_reported = device.library.pcie_counters and device.values.pcie_rx is not None
    return device.gpu.pcie_rx_bytes.read() if is_reported else None


@device_function("nvmlDeviceGetPcieReplayCounter")
def replays(device: Device, count: Any) -> None:
    if device.gpu.model.pcie_generations is None:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    wire.write(count, device.gpu.error_counters.pcie_replays)
