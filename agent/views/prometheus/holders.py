"""Who holds the GPUs: processes and users."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from agent.derive.holdings import by_user, holdings, memory_bytes
from agent.views.prometheus.families import GPU_LABELS, counter, gauge, of, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client import Metric

    from agent.derive.holdings import Holding, UserHoldings
    from agent.readings import Snapshot

# Each is three series that live as short as the process; past these the largest are told.
MAX_PROCESSES = 512
PROCESS_LABELS = (*GPU_LABELS, "mig", "pid", "user", "name", "container", "pod", "slurm_job")


def holder_families(snapshot: Snapshot, idle_after_seconds: float, *, processes: bool) -> Iterator[Metric]:
    """Totals by user, and each process if wished for."""
    held = holdings(snapshot, snapshot.gpus, idle_after_seconds)
    yield gauge(
        "processes",
        "Number of processes on it.",
        GPU_LABELS,
        (
            (of(gpu), None if gpu.values.processes is None else len(gpu.values.processes))
            for gpu in snapshot.gpus
        ),
    )
    if processes:
        largest_first = sorted(held, key=lambda one: -(one.process.gpu_memory_bytes or 0))
        yield from _process_families(list(islice(largest_first, MAX_PROCESSES)))
        left_out = max(0, len(held) - MAX_PROCESSES)
        yield gauge("agent_processes_left_out", "Processes that have no series.", (), [((), left_out)])
    uses = snapshot.ledger.users if snapshot.ledger else None
    yield from _user_families(by_user(held, uses))


def _process_families(held: Sequence[Holding]) -> Iterator[Metric]:
    values: tuple[tuple[str, str, Callable[[Holding], float | None]], ...] = (
        ("process_memory_used_bytes", "GPU memory of a process.", lambda one: one.process.gpu_memory_bytes),
        (
            "process_sm_utilization_ratio",
            "SM time of a process, 0 to 1.",
            lambda one: ratio(one.process.sm_utilization_percent),
        ),
        (
            "process_idle_seconds",
            "How long a process has held memory without work.",
            lambda one: one.use.idle_seconds if one.use else None,
        ),
    )
    for name, documentation, value in values:
        yield gauge(name, documentation, PROCESS_LABELS, ((_labels(one), value(one)) for one in held))


def _labels(one: Holding) -> tuple[str, ...]:
    belonging = one.host.belonging
    return of(
        one.gpu,
        "" if one.mig_index is None else str(one.mig_index),
        str(one.process.pid),
        one.host.username or "",
        one.host.name or "",
        belonging.container_name or belonging.container_id or "",
        belonging.pod_uid or "",
        belonging.slurm_job_id or "",
    )


def _user_families(users: Sequence[UserHoldings]) -> Iterator[Metric]:
    gauges: tuple[tuple[str, str, Callable[[UserHoldings], float | None]], ...] = (
        ("user_processes", "Processes of a user on GPUs.", lambda user: user.processes),
        ("user_gpus", "GPUs with a process of a user.", lambda user: len(user.gpus)),
        ("user_memory_used_bytes", "GPU memory of a user.", lambda user: user.gpu_memory_bytes),
        (
            "user_idle_processes",
            "Processes of a user that hold GPUs idle.",
            lambda user: None if user.idle is None else len(user.idle),
        ),
        (
            "user_idle_memory_bytes",
            "GPU memory that a user holds idle.",
            lambda user: None if user.idle is None else memory_bytes(user.idle),
        ),
    )
    for name, documentation, value in gauges:
        yield gauge(name, documentation, ("user",), (((user.username or "",), value(user)) for user in users))
    counters: tuple[tuple[str, str, Callable[[UserHoldings], float | None]], ...] = (
        (
            "user_held_seconds",
            "GPU-seconds held by a user since the agent started.",
            lambda user: user.use.gpu_seconds_held if user.use else None,
        ),
        (
            "user_used_seconds",
            "GPU-seconds used by a user since the agent started: SM utilization times time.",
            lambda user: user.use.gpu_seconds_used if user.use else None,
        ),
    )
    for name, documentation, value in counters:
        yield counter(
            name, documentation, ("user",), (((user.username or "",), value(user)) for user in users)
        )
