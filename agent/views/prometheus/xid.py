"""XID errors of each GPU; also of those that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import GPU_LABELS, counter, gauge, label_values

if TYPE_CHECKING:
    from prometheus_client import Metric

    from agent.readings import Snapshot


def xid_errors(snapshot: Snapshot) -> Metric:
    """The counters by code."""
    return counter(
        "xid_errors",
        "XID errors of the GPU by code, since the agent started.",
        (*GPU_LABELS, "xid"),
        (
            (label_values(gpu, str(code)), seen.times)
            for gpu in snapshot.gpus
            for code, seen in sorted((gpu.xids or {}).items())
        ),
    )


def xid_timestamps(snapshot: Snapshot) -> Metric:
    """When each code was last reported."""
    return gauge(
        "xid_last_timestamp_seconds",
        "Unix time of the GPU's last XID error of the code, in seconds.",
        (*GPU_LABELS, "xid"),
        (
            (label_values(gpu, str(code)), seen.last_at)
            for gpu in snapshot.gpus
            for code, seen in sorted((gpu.xids or {}).items())
        ),
    )
