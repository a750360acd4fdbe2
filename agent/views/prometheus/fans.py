"""The fans of each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import ratio

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    ("fans", "Number of fans.", lambda r: r.fans.count),
    (
        "fan_speed_ratio",
        "Speed of the first fan as requested by the driver, as a ratio of its maximum; can exceed 1.",
        lambda r: ratio(r.fans.speed_percent),
    ),
    ("fan_speed_rpm", "Speed of the first fan, in revolutions per minute.", lambda r: r.fans.speed_rpm),
)
