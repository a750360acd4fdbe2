"""GPUs that users hold, and their GPU time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.holdings import by_user, memory_bytes
from agent.views.prometheus.families import counter, gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.derive.holdings import Holding, UserHoldings
    from agent.readings import Snapshot
    from agent.views.prometheus.exposition import Family


def user_families(snapshot: Snapshot, held: Sequence[Holding]) -> Iterator[Family]:
    """Totals by user; `held` are the processes on all GPUs."""
    users = by_user(held, snapshot.ledger.users if snapshot.ledger else None)
    gauges: tuple[tuple[str, str, Callable[[UserHoldings], float | None]], ...] = (
        ("user_processes", "Number of processes of a user on GPUs.", lambda user: user.processes),
        (
            "user_gpus",
            "Number of GPUs with a process of the user; a GPU whose processes are unknown is not counted.",
            lambda user: len(user.gpus),
        ),
        (
            "user_memory_used_bytes",
            "GPU memory used by the processes of a user, in bytes.",
            lambda user: user.gpu_memory_bytes,
        ),
        (
            "user_idle_processes",
            "Number of processes of a user that hold GPU memory without work.",
            lambda user: None if user.idle is None else len(user.idle),
        ),
        (
            "user_idle_memory_bytes",
            "GPU memory held without work by the processes of a user, in bytes.",
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
            "GPU-seconds used by a user since the agent started: time multiplied by SM utilization.",
            lambda user: user.use.gpu_seconds_used if user.use else None,
        ),
        (
            "user_utilization_known_seconds",
            "GPU-seconds held by a user for which the SM utilization was reported, since the agent started.",
            lambda user: user.use.gpu_seconds_told if user.use else None,
        ),
    )
    for name, documentation, value in counters:
        yield counter(
            name, documentation, ("user",), (((user.username or "",), value(user)) for user in users)
        )
