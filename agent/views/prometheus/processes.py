"""The processes on the GPUs."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from agent.derive.unlisted import may_have_unknown_processes
from agent.views.prometheus.families import GPU_LABELS, gauge, label_values, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.derive.holdings import Holding
    from agent.readings import Snapshot
    from agent.views.prometheus.exposition import Family

# Each process has three short-lived series; above this number only the largest have series.
MAX_PROCESSES = 512
# Not `container`, `pod` and `namespace`: a PodMonitor gives these to the agent's own pod.
PROCESS_LABELS = (
    *GPU_LABELS,
    *("mig", "pid", "user", "name"),
    *("container_id", "container_name", "pod_uid", "pod_name", "pod_namespace"),
    # Not `job`: Prometheus sets this label on its targets.
    *("job_scheduler", "job_id"),
)


def process_families(snapshot: Snapshot, held: Sequence[Holding], *, each: bool) -> Iterator[Family]:
    """Their number on each GPU and, if enabled, each process; `held` are the processes on all GPUs."""
    yield gauge(
        "processes",
        "Number of processes on the GPU.",
        GPU_LABELS,
        (
            (
                label_values(gpu),
                None if may_have_unknown_processes(gpu.reading) else len(gpu.values.processes or ()),
            )
            for gpu in snapshot.gpus
        ),
    )
    if each:
        largest_first = sorted(held, key=lambda one: -(one.process.gpu_memory_bytes or 0))
        yield from _each(list(islice(largest_first, MAX_PROCESSES)))
        left_out = max(0, len(held) - MAX_PROCESSES)
        yield gauge(
            "agent_processes_left_out",
            "Number of processes on GPUs that have no series of their own.",
            (),
            [((), left_out)],
        )


def _each(held: Sequence[Holding]) -> Iterator[Family]:
    values: tuple[tuple[str, str, Callable[[Holding], float | None]], ...] = (
        (
            "process_memory_used_bytes",
            "GPU memory used by a process, in bytes.",
            lambda one: one.process.gpu_memory_bytes,
        ),
        (
            "process_sm_utilization_ratio",
            "SM utilization by a process, 0 to 1.",
            lambda one: ratio(one.process.sm_utilization_percent),
        ),
        (
            "process_idle_seconds",
            "Time for which a process has held GPU memory without work, in seconds.",
            lambda one: one.use.idle_seconds if one.use else None,
        ),
    )
    for name, documentation, value in values:
        yield gauge(name, documentation, PROCESS_LABELS, ((_labels(one), value(one)) for one in held))


def _labels(one: Holding) -> tuple[str, ...]:
    belonging = one.host.belonging
    return label_values(
        one.gpu,
        "" if one.mig_index is None else str(one.mig_index),
        str(one.process.pid),
        one.host.username or "",
        one.host.name or "",
        belonging.container_id or "",
        belonging.container_name or "",
        belonging.pod_uid or "",
        belonging.pod_name or "",
        belonging.pod_namespace or "",
        belonging.job.scheduler.value if belonging.job else "",
        belonging.job.id if belonging.job else "",
    )
