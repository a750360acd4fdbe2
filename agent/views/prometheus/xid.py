"""XID errors of each GPU; also of those that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import GPU_LABELS, counter, gauge, label_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from agent.readings import Snapshot


def xid_families(snapshot: Snapshot) -> Iterator[Metric]:
    """How often by code, and when last."""
    each = [
        (label_values(gpu, str(code)), seen)
        for gpu in snapshot.gpus
        for code, seen in sorted((gpu.xids or {}).items())
    ]
    yield counter(
        "xid_errors",
        "XID errors of the GPU by code, since the agent started.",
        (*GPU_LABELS, "xid"),
        ((labels, seen.times) for labels, seen in each),
    )
    yield gauge(
        "xid_last_timestamp_seconds",
        "Unix time of the GPU's last XID error of the code, in seconds.",
        (*GPU_LABELS, "xid"),
        ((labels, seen.last_at) for labels, seen in each),
    )
