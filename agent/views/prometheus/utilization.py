"""How busy each GPU is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import ratio

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    (
        "utilization_ratio",
        "GPU utilization: share of time in which a kernel ran, 0 to 1.",
        lambda r: ratio(r.utilization.gpu_percent),
    ),
    (
        "memory_controller_utilization_ratio",
        "Share of time in which GPU memory was read or written, 0 to 1.",
        lambda r: ratio(r.utilization.memory_controller_percent),
    ),
)
