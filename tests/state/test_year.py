"""A year of a busy host, 8 GPUs and 50 users, is at most 20 MB: computed by writing it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from agent.state import gpus, history, idle, names
from agent.state.file import open_file
from agent.state.schema import SUBJECTS
from agent.state.subject import Ageing, Rows

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection

    from agent.state.subject import Batch, Row

pytestmark = pytest.mark.slow

UUIDS = [f"GPU-{number:08d}-0000-0000-0000-000000000000" for number in range(8)]
USERS, PROCESSES = 50, 400
MAX_BYTES = 20_000_000
END = 1_789_462_800  # seconds since the epoch
HOUR, DAY = 3600, 86_400


def moment(at: float) -> Rows:
    """Numbers with all their places, as means have them."""
    rows: list[Row] = [(at, None, *(random.random() for _ in history.HOST_COLUMNS))]  # noqa: S311
    rows += [(at, uuid, *(random.random() for _ in history.GPU_COLUMNS)) for uuid in UUIDS]  # noqa: S311
    return Rows(history.SUBJECT, tuple(rows))


def others(at: float) -> Batch:
    known: list[Row] = [(uid, f"a-user-with-a-name-{uid}", at) for uid in range(USERS)]
    run: list[Row] = [("boot" * 9, UUIDS[pid % 8], pid, 1, 1.5, 2.5, at) for pid in range(PROCESSES)]
    return (Rows(names.SUBJECT, tuple(known)), Rows(idle.SUBJECT, tuple(run)))


def write(file: Connection, *batch: Rows) -> None:
    for subject, rows in batch:
        subject.write(file, rows)


def test_the_file_of_a_year(tmp_path: Path) -> None:
    """By the hour where in the end only hours are kept, then by the minute, then each sample."""
    path = tmp_path / "agent.sqlite3"
    file = open_file(path)
    write(file, Rows(gpus.SUBJECT, tuple((uuid,) for uuid in UUIDS)))
    times = [
        *range(END - 365 * DAY, END - 2 * DAY, HOUR),
        *range(END - 2 * DAY, END - 2 * HOUR, 60),
        *range(END - 2 * HOUR, END, 10),
    ]
    aged_at = 0
    for at in times:
        if at - aged_at >= HOUR:
            with file:
                file.execute("BEGIN")
                for subject in SUBJECTS:
                    if subject.age is not None:
                        subject.age(file, Ageing(at, 400, "boot" * 9, 1))
            aged_at = at
        with file:
            file.execute("BEGIN")
            write(file, moment(at), *(others(at) if at % DAY == 0 or at > END - HOUR else ()))
    file.close()

    assert path.stat().st_size <= MAX_BYTES
