"""What the driver failed to tell of one GPU, by the names that the plain answer has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.readings import GpuReading

# Field of the reading -> field of `Gpu`.
PLAIN_FIELDS: Mapping[str, str] = {
    "memory.total_bytes": "memory.total_mb",
    "memory.used_bytes": "memory.used_mb",
    "memory.free_bytes": "memory.free_mb",
    "utilization.gpu_percent": "utilization.gpu_percent",
    "utilization.memory_controller_percent": "utilization.memory_percent",
    "gpm.sm_activity_percent": "utilization.sm_percent",
    "gpm.dram_activity_percent": "memory.bandwidth_utilization_percent",
    "thermal.gpu_celsius": "temperature_celsius",
    "power.usage_watts": "power.usage_watts",
    "power.limit_watts": "power.limit_watts",
    "clocks.graphics_mhz": "clocks.graphics_mhz",
    "clocks.memory_mhz": "clocks.memory_mhz",
    "clocks.max_graphics_mhz": "clocks.max_graphics_mhz",
    "clocks.max_memory_mhz": "clocks.max_memory_mhz",
    "clocks.event_reasons": "throttling.reason_names",
    "pcie.max_generation": "pcie.generation",
    "pcie.max_width": "pcie.width",
    "pcie.generation": "pcie.current_generation",
    "pcie.width": "pcie.current_width",
    "pcie.tx_kib_per_second": "pcie.tx_throughput_mbps",
    "pcie.rx_kib_per_second": "pcie.rx_throughput_mbps",
    "fans.speed_rpm": "fan_speed_rpm",
    "fans.speed_percent": "fan_speed_percent",
    "processes": "top_processes",
}


def failed_view(reading: GpuReading) -> dict[str, str]:
    """NVML's words by field of `Gpu`; empty: the driver failed to tell none of them."""
    return {
        PLAIN_FIELDS[field]: unknown.words
        for field, unknown in reading.unknown.items()
        if unknown.reason is Reason.FAILED and field in PLAIN_FIELDS
    }
