"""Failed driver calls for each GPU; also for GPUs that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import GPU_LABELS, counter, label_values

if TYPE_CHECKING:
    from agent.readings import Snapshot
    from agent.views.prometheus.exposition import Family


def driver_errors(snapshot: Snapshot) -> Family:
    """The counters by function and error."""
    return counter(
        "driver_errors",
        "Calls of an NVML function on the GPU that failed, by error, since the agent started.",
        (*GPU_LABELS, "function", "error"),
        (
            (label_values(gpu, function, error), times)
            for gpu in snapshot.gpus
            for (function, error), times in sorted(gpu.values.driver_errors.items())
        ),
    )
