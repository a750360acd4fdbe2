"""XID errors of each GPU; also for GPUs that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import Belonging, XidSource
from agent.views.prometheus.families import GPU_LABELS, counter, gauge, label_values

if TYPE_CHECKING:
    from agent.readings import Snapshot, XidCount
    from agent.views.prometheus.exposition import Family

# As the labels of a process in processes.py, which says why they are not called `container` and `pod`.
BLAMED_LABELS = ("pid", "user", "name", "container_id", "container_name", "pod_name", "pod_namespace")


def xid_errors(snapshot: Snapshot) -> Family:
    """The counters by code."""
    return counter(
        "xid_errors",
        "XID errors of the GPU by code, since the agent started, or as far back as KERNEL_LOG reaches.",
        (*GPU_LABELS, "xid"),
        (
            (label_values(gpu, str(code)), _counted(seen))
            for gpu in snapshot.gpus
            for code, seen in sorted((gpu.xids or {}).items())
        ),
    )


def xid_timestamps(snapshot: Snapshot) -> Family:
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


def blamed_processes(snapshot: Snapshot) -> Family:
    """The process that the driver blames for the last error of each code."""
    return gauge(
        "xid_last_process_info",
        "Always 1; the labels are the process that the driver blames for the last XID error of this code"
        " (KERNEL_LOG).",
        (*GPU_LABELS, "xid", *BLAMED_LABELS),
        (
            (label_values(gpu, str(code), *_labels(seen)), 1 if seen.blamed else None)
            for gpu in snapshot.gpus
            for code, seen in sorted((gpu.xids or {}).items())
        ),
    )


def _counted(seen: XidCount) -> int:
    """The counter's value. Errors that an earlier run of the agent counted are in the counter of that run.

    Those of the kernel log are in the counters of both runs, also if the log has lost some meanwhile: a
    counter that is lower after a restart has increased from 0 for Prometheus.
    """
    return seen.times - seen.restored if seen.source is XidSource.NVML else seen.times


def _labels(seen: XidCount) -> tuple[str, ...]:
    blamed = seen.blamed
    place = (blamed.belonging if blamed else None) or Belonging()
    values = (
        None if blamed is None or blamed.pid is None else str(blamed.pid),
        blamed.username if blamed else None,
        blamed.name if blamed else None,
        place.container_id,
        place.container_name,
        place.pod_name,
        place.pod_namespace,
    )
    return tuple(value or "" for value in values)
