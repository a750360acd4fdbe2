"""The PCIe link: its shape and its throughput."""

from __future__ import annotations

import time
from typing import Any

from agent.simulation import wire
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import Device, device_function


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
