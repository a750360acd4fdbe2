"""Activity of SMs, tensor cores and DRAM of each GPU, from GPM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import ratio

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    (
        "sm_activity_ratio",
        "SM activity: share of the SMs that were busy (GPM), 0 to 1.",
        lambda r: ratio(r.gpm.sm_activity_percent),
    ),
    (
        "sm_occupancy_ratio",
        "SM occupancy: warps in flight as a share of the maximum (GPM), 0 to 1.",
        lambda r: ratio(r.gpm.sm_occupancy_percent),
    ),
    (
        "tensor_activity_ratio",
        "Tensor activity: share of time in which tensor cores worked (GPM), 0 to 1.",
        lambda r: ratio(r.gpm.tensor_activity_percent),
    ),
    (
        "dram_activity_ratio",
        "DRAM activity: share of the memory bandwidth in use (GPM), 0 to 1.",
        lambda r: ratio(r.gpm.dram_activity_percent),
    ),
)
