"""How busy SMs, tensor cores and DRAM of each GPU really are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import ratio

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    ("sm_activity_ratio", "SMs that were busy (GPM), 0 to 1.", lambda r: ratio(r.gpm.sm_activity_percent)),
    ("sm_occupancy_ratio", "Warps in flight (GPM), 0 to 1.", lambda r: ratio(r.gpm.sm_occupancy_percent)),
    (
        "tensor_activity_ratio",
        "Time in which tensor cores worked (GPM), 0 to 1.",
        lambda r: ratio(r.gpm.tensor_activity_percent),
    ),
    (
        "dram_activity_ratio",
        "Memory bandwidth in use (GPM), 0 to 1.",
        lambda r: ratio(r.gpm.dram_activity_percent),
    ),
)
