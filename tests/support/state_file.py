"""A file in STATE_DIR as left by earlier versions."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from agent.readings import GpuDay, UsageDays, UsageSums, UserDay
from agent.sampling.history import GPU_FIELDS
from agent.state import history, names, usage
from agent.state.file import open_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

HOUR = 3600.0
MIB = 2**20
REAL = "agent.sqlite3"  # the name of the file, unless a setting simulates the driver
SIMULATED = "simulated.sqlite3"


def ago(days: int) -> str:
    """The local date this many days ago."""
    return (dt.datetime.now().astimezone().date() - dt.timedelta(days=days)).isoformat()


def sums(held: float, *, told: float = 1.0, used: float = 0.5, idle: float = 0.0) -> UsageSums:
    """Sums of `held` hours. `told`: the share with known utilization; `used` and `idle`: shares of that."""
    seconds = held * HOUR
    return UsageSums(
        seconds,
        seconds * told,
        seconds * told * used,
        seconds * told * idle,
        seconds,
        seconds * 1024 * MIB,
        2048 * MIB,
    )


def fill(
    file: Path, users: Iterable[UserDay], gpus: Iterable[GpuDay], known: Mapping[int, str], run: int = 1
) -> None:
    """Write these sums, and the names of users by number."""
    connection = open_file(file)
    days = UsageDays(tuple(users), tuple(gpus))
    with connection:
        connection.execute("BEGIN")
        for subject, rows in (usage.user_rows(days, run), usage.gpu_rows(days, run)):
            subject.write(connection, rows)
        now = dt.datetime.now().astimezone().timestamp()
        names.SUBJECT.write(connection, [(uid, name, now) for uid, name in known.items()])
    connection.close()


def remember(file: Path, uuid: str, watts: Iterable[tuple[float, float]]) -> None:
    """Write the power draw of one GPU at these moments, seconds since the epoch."""
    rows: list[tuple[float | str | None, ...]] = []
    for at, value in watts:
        of_gpu = (value if field == "power.usage_watts" else None for field in GPU_FIELDS)
        rows += [(at, None, 5.0, 1024.0 * MIB), (at, uuid, *of_gpu)]
    connection = open_file(file)
    with connection:
        connection.execute("BEGIN")
        history.SUBJECT.write(connection, rows)
    connection.close()
