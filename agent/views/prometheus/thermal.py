"""How hot each GPU is, and how hot it may get."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues, ValuesByLabel


GAUGES: ReadingValues = (
    (
        "temperature_celsius",
        "Temperature of the GPU core, in degrees Celsius.",
        lambda r: r.thermal.gpu_celsius,
    ),
    (
        "memory_temperature_celsius",
        "Temperature of the GPU memory, in degrees Celsius.",
        lambda r: r.thermal.memory_celsius,
    ),
    (
        "temperature_margin_celsius",
        "Degrees Celsius by which the GPU may still get hotter (T.Limit); can be below 0.",
        lambda r: r.thermal.margin_celsius,
    ),
)
BY_LABEL: ValuesByLabel = (
    (
        "temperature_threshold_celsius",
        "threshold",
        "Temperature at which the driver or the hardware acts, in degrees Celsius.",
        lambda r: {
            "max_operating": r.thermal.max_operating_celsius,
            "slowdown": r.thermal.slowdown_celsius,
            "shutdown": r.thermal.shutdown_celsius,
            "memory_max": r.thermal.memory_max_celsius,
        },
    ),
    (
        "temperature_margin_threshold_celsius",
        "threshold",
        "Margin at which the driver or the hardware acts (T.Limit), in degrees Celsius; can be below 0.",
        lambda r: {
            "max_operating": r.thermal.max_operating_margin_celsius,
            "slowdown": r.thermal.slowdown_margin_celsius,
            "shutdown": r.thermal.shutdown_margin_celsius,
            "memory_max": r.thermal.memory_max_margin_celsius,
        },
    ),
)
