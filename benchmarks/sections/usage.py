"""How soon `/usage` answers from a file with 400 busy days."""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from agent.readings import GpuDay, UsageDays, UsageSums, UserDay
from agent.state import usage
from agent.state.file import open_file
from benchmarks.server import PREFIX, SETTINGS, running, usual_driver
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.server import Server

USERS, GPUS, DAYS = 50, 8, 400
TITLE = f"usage: {DAYS} days of {USERS} users and {GPUS} GPUs"
MODEL = "NVIDIA H100 80GB HBM3"
FILE = "agent.sqlite3"
SUMS = UsageSums(1234.5, 1200.25, 600.125, 100.0, 1234.5, 1e13, 2**34)
GOALS = {30: Goal("value", at_most=50), DAYS: Goal("value", at_most=500)}


def run(*, quick: bool) -> Iterator[Row]:
    """Answers by user, by day and by GPU, as JSON and as CSV. Each request has a connection of its own."""
    with tempfile.TemporaryDirectory() as folder, usual_driver() as driver:
        yield Row("size of the sums", _fill(Path(folder) / FILE), "MB", goal=Goal("value", at_most=20))
        with running("agent", *driver, **SETTINGS, HISTORY_INTERVAL="10", STATE_DIR=folder) as agent:
            for days, goal in GOALS.items():
                waits = [
                    _milliseconds(agent, path) for path in _paths(days) for _ in range(2 if quick else 20)
                ]
                yield Row(f"{days} days, median", median(waits), "ms", goal=goal)
                yield Row(f"{days} days, slowest", max(waits), "ms")


def _fill(file: Path) -> float:
    """Fill the file: each user used GPUs on each day. Returns the size of the file in MB."""
    today = dt.datetime.now().astimezone().date()
    days = [(today - dt.timedelta(days=number)).isoformat() for number in range(DAYS)]
    sums = UsageDays(
        tuple(UserDay(day, 1000 + user, SUMS) for day in days for user in range(USERS)),
        tuple(
            GpuDay(day, f"GPU-{gpu:036}", MODEL, 86_400.0, 1e7, SUMS) for day in days for gpu in range(GPUS)
        ),
    )
    connection = open_file(file)
    with connection:
        connection.execute("BEGIN")
        for subject, rows in (usage.user_rows(sums, run=1), usage.gpu_rows(sums, run=1)):
            subject.write(connection, rows)
    connection.close()
    return file.stat().st_size / 1e6


def _paths(days: int) -> list[str]:
    forms = [(by, form) for by in ("user", "day", "gpu") for form in ("json", "csv")]
    return [f"{PREFIX}/usage?days={days}&by={by}&format={form}" for by, form in forms]


def _milliseconds(agent: Server, path: str) -> float:
    began = time.perf_counter()
    agent.get(path)
    return (time.perf_counter() - began) * 1000
