"""Utilization of the GPU and its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import VALUE_NOT_AVAILABLE_32
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device


@device_function("nvmlDeviceGetUtilizationRates", on_partitioned=False)
def utilization_rates(device: Device, rates: Any) -> None:
    rates = wire.target(rates)
    rates.gpu = wire.value_or_raise(device.values.gpu_utilization)
    rates.memory = wire.value_or_marker(device.values.memory_utilization, VALUE_NOT_AVAILABLE_32)
