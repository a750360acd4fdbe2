"""For how long each reason slowed down each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import GPU_LABELS, counter, label_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.readings import GpuReading, GpuSample
    from agent.views.prometheus.exposition import Family


def throttled_seconds(readings: Sequence[tuple[GpuSample, GpuReading]]) -> Family:
    """The counters, by the names that reasons have in `clocks_event_reason`."""
    return counter(
        "throttled_seconds",
        "Time for which a reason slowed the GPU down since the driver was loaded, in seconds.",
        (*GPU_LABELS, "reason"),
        (
            (label_values(gpu, reason), seconds)
            for gpu, reading in readings
            for reason, seconds in _by_reason(reading)
        ),
    )


def _by_reason(reading: GpuReading) -> Sequence[tuple[str, float | None]]:
    throttling = reading.throttling
    return (
        ("sw_power_cap", throttling.power_cap_seconds),
        ("sync_boost", throttling.sync_boost_seconds),
        ("sw_thermal_slowdown", throttling.software_thermal_seconds),
        ("hw_thermal_slowdown", throttling.hardware_thermal_seconds),
        ("hw_power_brake_slowdown", throttling.power_brake_seconds),
        ("thermal", throttling.thermal_seconds),
    )
