"""What looking costs, by number of GPUs and processes; floors are what linear growth would give."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import machine
from benchmarks.server import PREFIX, ROOT, SETTINGS, TOKEN, Server, driver, running, sleepers
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TITLE = "cost: one stream at 1 s; floor: as much per GPU as in the row with fewer GPUs"
GPUS = (1, 8, 16, 64)
PROCESSES = (0, 16, 256)  # of the host, dealt out to its GPUs
LINEAR = Goal("ratio", at_most=1.25)  # growth at most, but for some noise
EVERYTHING = Goal("value", at_most=20)  # ms/s: 2 % of a core
QUICK = ((1, 8), (16,))
CALL_US = 50  # for the sample time; CPU is measured without, for there it is the machine that sleeps
SETTLE = 4.0  # seconds: first contact is over, the paced reads are spread
SECONDS = 10  # a multiple of every pace: 1, 2, 5 and 10 s


def run(*, quick: bool) -> Iterator[Row]:
    """Three rows for each pair of numbers."""
    gpu_counts, process_counts = QUICK if quick else (GPUS, PROCESSES)
    seconds = 3 if quick else SECONDS
    with sleepers(max(*process_counts, 64)) as pids:
        for processes in process_counts:
            before: Sequence[Row] = ()
            for fewer, gpus in pairwise((gpu_counts[0], *gpu_counts)):
                host = partial(driver, gpus=gpus, pids=pids[:processes])
                rows = [_sample_time(host(call_us=CALL_US), seconds), *_watched(host(call_us=0), seconds)]
                floors = [row.value * gpus / fewer for row in before] if before else [None] * len(rows)
                name = f"{gpus} GPU{'s' * (gpus > 1)}, {processes} processes"
                for row, floor in zip(rows, floors, strict=True):
                    goal = LINEAR if floor is not None else None
                    yield Row(f"{name}: {row.what}", row.value, row.unit, floor, goal)
                before = rows
        for name, history in (("everything on", "10"), ("without history, XIDs and ledger", "0")):
            eight = driver(gpus=8, pids=pids[:64], call_us=0)
            for row in _watched(eight, seconds, history_interval=history):
                goal = EVERYTHING if row.unit == "ms/s" else None
                yield Row(f"8 GPUs, 64 processes, {name}: {row.what}", row.value, row.unit, goal=goal)


def _sample_time(arguments: Sequence[str], rounds: int) -> Row:
    """A round of the collector, from the question to the last answer."""
    rounds_of = "-m", "benchmarks.programs.rounds", *arguments, f"--rounds={rounds}"
    done = subprocess.run(  # noqa: S603  (our own program)
        machine.pinned(machine.server_core(), sys.executable, *rounds_of),
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    taken: list[float] = json.loads(done.stdout)
    return Row("sample time, median", median(taken) * 1000, "ms")


def _watched(arguments: Sequence[str], seconds: int, history_interval: str = "0") -> Iterator[Row]:
    """CPU of a watched agent less that of the simulation inside it, and the driver's share of the work."""
    with (
        running("agent", *arguments, **SETTINGS, HISTORY_INTERVAL=history_interval) as agent,
        _stream(agent),
    ):
        time.sleep(SETTLE)
        started, cpu, counts = time.monotonic(), agent.cpu_seconds(), agent.counts()
        time.sleep(seconds)
        ended, cpu_end, counts_end = time.monotonic(), agent.cpu_seconds(), agent.counts()
    spent = {name: counts_end[name] - counts[name] for name in counts}
    passed = ended - started
    yield Row("CPU", 1000 * (cpu_end - cpu - spent["simulation_seconds"]) / passed, "ms/s")
    yield Row("driver calls", spent["calls"] / passed, "/s")


@contextmanager
def _stream(agent: Server) -> Iterator[None]:
    """One client that reads a stream at 1 s."""
    request = f"GET {PREFIX}/gpu/stream?interval=1 HTTP/1.1\r\nHost: agent\r\nAuthorization: {TOKEN}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", agent.port)) as connection:
        connection.sendall(request.encode())
        begin = connection.recv(65536)
        if not begin.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"The stream was refused: {begin!r}")
        reader = threading.Thread(target=lambda: all(iter(partial(connection.recv, 65536), b"")))
        reader.start()
        try:
            yield
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            reader.join()
