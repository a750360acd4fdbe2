"""`/users`: the GPUs that each user holds, and the GPU time; unknown is null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.holdings import by_user, holdings, indices_with_unknown_processes, memory_bytes
from agent.derive.rounding import tenths, whole
from agent.views.envelope import success
from agent.views.pieces import filled, to_json
from agent.views.units import mib

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.derive.holdings import Holding, UserHoldings
    from agent.readings import Snapshot


class IdleHoldings(BaseModel):
    """What the idle holders of a user hold."""

    count: int = Field(description="number of idle processes, counted on each GPU")
    gpu_memory_mb: float | None = Field(description="GPU memory that idle processes hold, MiB")
    gpus: list[int] = Field(description="NVML indices of the GPUs with an idle process of this user")
    since: int | None = Field(
        description="time since which the longest idle of them has done no work, milliseconds since the"
        " epoch; null:"
        " there is none"
    )


class UserRow(BaseModel):
    """One user. Unknown values are null."""

    username: str | None = Field(description="owner; null: all processes whose owner is unknown")
    uid: int | None = Field(description="uid of the user; null: unknown, or several have this name")
    processes: int = Field(description="number of processes on GPUs now; one on several GPUs counts once")
    gpus: list[int] = Field(description="NVML indices of the GPUs with a process of this user")
    gpu_memory_mb: float | None = Field(
        description="GPU memory of the user's processes, MiB; null if any is unknown"
    )
    sm_utilization_percent: float | None = Field(
        description="mean over the user's GPUs, percent of their SM time; null if any process's is unknown"
    )
    gpu_seconds_held: float | None = Field(
        description="GPU-seconds held since the agent started: time with a process of this user on a GPU;"
        " several"
        " processes on one GPU count once"
    )
    gpu_seconds_used: float | None = Field(
        description="gpu_seconds_held multiplied by SM utilization, seconds"
    )
    idle_holdings: IdleHoldings | None = Field(
        description="what processes hold that have been idle for IDLE_HOLDER_MINUTES; null: none is known,"
        " and the"
        " idle time of some process is unknown"
    )


class Users(BaseModel):
    """Everyone who has a process on a GPU now, or had one since the agent started."""

    users: list[UserRow] = Field(description="one row for each user, by name, the unknown owner last")
    unknown_idx: list[int] = Field(description="indices of the GPUs that may have unknown processes now")
    since: int | None = Field(
        description="time since which gpu_seconds are counted, milliseconds since the epoch; null: nothing is"
        " remembered"
    )
    usage_days: int | None = Field(
        description="days for which /usage keeps the GPU hours of each user; null: it keeps none"
    )


def users_json(
    snapshot: Snapshot, idle_holder_seconds: float, usage_days: int | None = None
) -> Iterator[bytes]:
    """Every user, over all GPUs, in the envelope; `usage_days`: days for which hours are kept."""
    held: list[Holding] = []
    for gpu in snapshot.gpus:
        held += holdings(snapshot, [gpu], idle_holder_seconds)
        yield b""  # an empty piece: the event loop can do other work here
    ledger = snapshot.ledger
    began_at = ledger.began_at if ledger else None
    shell = Users(
        users=[],
        unknown_idx=indices_with_unknown_processes(snapshot.gpus),
        since=None if began_at is None else whole(began_at * 1000),
        usage_days=usage_days,
    )
    users = by_user(held, ledger.users if ledger else None)
    yield from filled(success(shell), users=(to_json(_row(user, snapshot.taken_at)) for user in users))


def _row(user: UserHoldings, now: float) -> UserRow:
    """`now`: seconds since the epoch."""
    return UserRow(
        username=user.username,
        uid=user.uid,
        processes=user.processes,
        gpus=list(user.gpus),
        gpu_memory_mb=tenths(mib(user.gpu_memory_bytes)),
        sm_utilization_percent=tenths(user.sm_utilization_percent),
        gpu_seconds_held=tenths(user.use.gpu_seconds_held) if user.use else None,
        gpu_seconds_used=tenths(user.use.gpu_seconds_used) if user.use else None,
        idle_holdings=None if user.idle is None else _idle(user.idle, now),
    )


def _idle(idle: Sequence[Holding], now: float) -> IdleHoldings:
    seconds = [one.use.idle_seconds for one in idle if one.use and one.use.idle_seconds is not None]
    return IdleHoldings(
        count=len(idle),
        gpu_memory_mb=tenths(mib(memory_bytes(idle))),
        gpus=sorted({one.gpu.index for one in idle}),
        since=whole((now - max(seconds)) * 1000) if seconds else None,
    )
