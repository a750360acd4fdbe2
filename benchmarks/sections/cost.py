"""The cost of the agent itself: CPU, driver calls and memory, on a driver that takes no time.

The floor is another checkout if BENCHMARK_BEFORE names one, else an idle uvicorn. Both run at the same time,
so that other load affects both.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from agent.sampling.pace import POLL_LINGER_INTERVALS
from benchmarks.server import PREFIX, TOKEN, on_compiled_driver, running
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.server import Server

TITLE = "cost: the compiled driver, GPUs of 18 NVLinks without fans"
SETTLE = 8.0  # seconds: after them first contact is over, and the paced reads are spread
SECONDS = 60  # seconds; a multiple of the relevant paces: 1, 2, 5, 10, 30 and 60 s
HISTORY = "10"
IDLE = POLL_LINGER_INTERVALS + 1.5  # seconds without a viewer, after which samples are only taken for history


class _Case(NamedTuple):
    name: str
    gpus: int
    processes: int
    watched: bool
    cpu: Goal | None = None  # milliseconds a second
    calls: Goal | None = None  # a second


CASES = (
    _Case("nobody looks, 8 GPUs, 32 processes", 8, 32, False, None, Goal("value", at_most=20)),
    _Case(
        "one stream, 8 GPUs, 64 processes", 8, 64, True, Goal("value", at_most=12), Goal("value", at_most=130)
    ),
    _Case("one stream, 32 GPUs, 500 processes", 32, 500, True),
    _Case("one stream, 128 GPUs, 2000 processes", 128, 2000, True),
)


class _Spent(NamedTuple):
    cpu: float  # ms a second
    calls: float  # a second
    mib: float  # resident
    answer: float  # ms to the first answer on an idle agent: it takes a new sample


def run(*, quick: bool) -> Iterator[Row]:
    """Four rows for each case, and the growth from 32 to 128 GPUs."""
    before = os.environ.get("BENCHMARK_BEFORE")
    seconds = 3 if quick else SECONDS
    measured: dict[str, _Spent] = {}
    with running("constant") as empty:
        started, cpu = time.monotonic(), empty.cpu_seconds()
        time.sleep(seconds)
        uvicorn = 1000 * (empty.cpu_seconds() - cpu) / (time.monotonic() - started)
    yield Row("an empty uvicorn: CPU", uvicorn, "ms/s")
    for case in CASES[: 2 if quick else None]:
        ours, floor = _compare(case, Path(before) if before else None, seconds)
        measured[case.name] = ours
        goal = case.cpu or (Goal("value", at_most=uvicorn + 2) if not case.watched else None)
        yield Row(f"{case.name}: CPU", ours.cpu, "ms/s", floor and floor.cpu, goal)
        yield Row(f"{case.name}: driver calls", ours.calls, "/s", floor and floor.calls, case.calls)
        yield Row(f"{case.name}: resident memory", ours.mib, "MiB", floor and floor.mib)
        yield Row(f"{case.name}: first answer when idle", ours.answer, "ms", floor and floor.answer)
    if not quick:
        fewer, more = (measured[case.name] for case in CASES[-2:])
        yield Row(
            "128 GPUs, CPU, beside four times that of 32",
            more.cpu,
            "ms/s",
            4 * fewer.cpu,
            Goal("ratio", at_most=1.25),
        )


def _compare(case: _Case, before: Path | None, seconds: float) -> tuple[_Spent, _Spent | None]:
    """What this checkout uses, and what the floor uses."""
    with ExitStack() as stack:
        agents = [
            stack.enter_context(
                on_compiled_driver(case.gpus, case.processes, root=root, HISTORY_INTERVAL=HISTORY)
            )
            for root in (Path.cwd(), *([before] if before else []))
        ]
        with ExitStack() as streams:
            for agent, _ in agents if case.watched else ():
                streams.enter_context(_stream(agent))
            time.sleep(SETTLE)
            started = time.monotonic()
            first = [(agent.cpu_seconds(), calls()) for agent, calls in agents]
            time.sleep(seconds)
            passed = time.monotonic() - started
            last = [(agent.cpu_seconds(), calls(), agent.resident_mib()) for agent, calls in agents]
        spent = [
            _Spent(
                cpu=1000 * (cpu - cpu_before) / passed,
                calls=(calls - calls_before) / passed,
                mib=mib,
                answer=_first_answer(agent),
            )
            for (agent, _), (cpu_before, calls_before), (cpu, calls, mib) in zip(
                agents, first, last, strict=True
            )
        ]
    return spent[0], spent[1] if before else None


def _first_answer(agent: Server) -> float:
    """Milliseconds for an answer from a new sample, the median of three."""
    return median(agent.first_answer_after(IDLE, f"{PREFIX}/status") for _ in range(3))


@contextmanager
def _stream(agent: Server) -> Iterator[None]:
    """A client that reads a stream with an interval of 1 s."""
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
