"""A year of a busy host with 8 GPUs and 50 users is at most 20 MB: the test writes it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from agent.readings import GpuDay, UsageDays, UsageSums, UserDay, local_day
from agent.state import gpus, history, idle, names, usage
from agent.state.file import open_file
from agent.state.schema import SUBJECTS
from agent.state.subject import Ageing, Rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from sqlite3 import Connection

    from agent.state.subject import Batch, Row

pytestmark = pytest.mark.slow

UUIDS = [f"GPU-{number:08d}-0000-0000-0000-000000000000" for number in range(8)]
USERS, PROCESSES = 50, 400
MAX_BYTES = 20_000_000
TABLES = ["user_days", "gpu_days", "gpu_history", "names", "idle"]
END = 1_789_462_800  # seconds since the epoch
HOUR, DAY = 3600, 86_400


def moments(times: Iterable[float]) -> Rows:
    """Numbers with all their digits, like means."""
    rows: list[Row] = []
    for at in times:
        rows.append((at, None, *(random.random() for _ in history.HOST_COLUMNS)))  # noqa: S311
        rows += [(at, uuid, *(random.random() for _ in history.GPU_COLUMNS)) for uuid in UUIDS]  # noqa: S311
    return Rows(history.SUBJECT, tuple(rows))


def others(at: float) -> Batch:
    known: list[Row] = [(uid, f"a-user-with-a-name-{uid}", at) for uid in range(USERS)]
    run: list[Row] = [("boot" * 9, UUIDS[pid % 8], pid, 1, 1.5, 2.5, at) for pid in range(PROCESSES)]
    return (Rows(names.SUBJECT, tuple(known)), Rows(idle.SUBJECT, tuple(run)))


def sums() -> UsageSums:
    """Sums as at the end of a day: no number is short."""
    held, reported, used, idle = (86_400 * random.random() for _ in range(4))  # noqa: S311
    return UsageSums(held, reported, used, idle, 86_000.1, 1e15 / 3, 80_123_456_789)


def usage_of_a_day(at: float) -> Batch:
    """Every user has used the GPUs, and the day has a restart."""
    date, batch = local_day(at), list[Rows]()
    for run in (1, 2):
        days = UsageDays(
            tuple(UserDay(date, uid, sums()) for uid in range(USERS)),
            tuple(GpuDay(date, uuid, "NVIDIA H100 80GB HBM3", 86_000.1, 3e7 / 7, sums()) for uuid in UUIDS),
        )
        batch += [usage.user_rows(days, run), usage.gpu_rows(days, run)]
    return tuple(batch)


def write_and_age(file: Connection, at: float, *batch: Rows) -> None:
    with file:
        file.execute("BEGIN")
        for subject, rows in batch:
            subject.write(file, rows)
        for subject in SUBJECTS:
            if subject.age is not None:
                subject.age(file, Ageing(at, 400, "boot" * 9, 0))


def test_the_file_of_a_busy_year_has_at_most_20_mb(tmp_path: Path) -> None:
    """Write hours where only hours are kept in the end, then minutes, then samples."""
    path = tmp_path / "agent.sqlite3"
    file = open_file(path)
    for day in range(END - 365 * DAY, END, DAY):
        step = HOUR if day < END - 2 * DAY else 60
        of_the_day = (moments(range(day, day + DAY, step)), *usage_of_a_day(day), *others(day))
        write_and_age(file, day + DAY, Rows(gpus.SUBJECT, tuple((uuid,) for uuid in UUIDS)), *of_the_day)
    write_and_age(file, END, moments(range(END - 2 * HOUR, END, 10)))
    counts = [file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES]  # noqa: S608
    file.close()

    assert counts == [
        365 * USERS,
        365 * len(UUIDS),
        len(UUIDS) * (360 + 1441 + 90 * 24 + 1),
        USERS,
        PROCESSES,
    ]
    assert path.stat().st_size <= MAX_BYTES
