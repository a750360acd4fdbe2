"""Recovery actions and repairs that the driver asks for, for each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    (
        "recovery_action",
        "Recovery action that the driver asks for (nvmlDeviceGpuRecoveryAction_t); 0: none.",
        lambda r: r.recovery.action,
    ),
    (
        "channel_repair_pending",
        "1 if a faulty memory channel will be repaired at the next reset, else 0.",
        lambda r: r.recovery.channel_repair_pending,
    ),
    (
        "tpc_repair_pending",
        "1 if a faulty TPC will be repaired at the next reset, else 0.",
        lambda r: r.recovery.tpc_repair_pending,
    ),
)
