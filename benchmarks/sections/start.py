"""How soon the agent answers, when it is idle and after the start of the process; and its memory."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from agent.sampling.pace import POLL_LINGER_INTERVALS, RELEASE_AFTER
from benchmarks.server import PREFIX, SETTINGS, running, usual_driver
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "start: 8 GPUs with 4 processes each"
PATHS = (f"{PREFIX}/status", f"{PREFIX}/gpu")
WARM_UP_REQUESTS = 200
SIXTY_MS = Goal("value", at_most=60)


def run(*, quick: bool) -> Iterator[Row]:
    """The floor is an app that imports the same libraries and has one route."""
    with usual_driver() as driver:
        with running("agent", *driver, **SETTINGS, HISTORY_INTERVAL="0") as agent:
            waits = [
                agent.first_answer_after(POLL_LINGER_INTERVALS + 1.5, PATHS[0])
                for _ in range(1 if quick else 10)
            ]
            yield Row("first request on an idle agent, median", median(waits), "ms", goal=SIXTY_MS)
            yield Row("first request on an idle agent, slowest", max(waits), "ms", goal=SIXTY_MS)
            if not quick:
                waited = agent.first_answer_after(RELEASE_AFTER + 5, PATHS[0])
                yield Row("first request after NVML was let go", waited, "ms")
        # The programs run in turn, so that other load affects all of them.
        kinds = (("imports", PATHS[0]), ("agent", f"{PREFIX}/health"), ("agent", f"{PREFIX}/count"))
        for program, path in kinds:
            _started(program, path, *driver)  # from here on the byte code is in the cache
        starts = [[_started(*kind, *driver) for kind in kinds] for _ in range(2 if quick else 9)]
        floor, health, count = zip(*starts, strict=True)
        for name, ours, goal in (("/health", health, Goal("ratio", at_most=1.25)), ("/count", count, None)):
            for what in ("ms", "cpu_ms"):
                yield Row(
                    f"start to the first 200 of {name}{', CPU' if what == 'cpu_ms' else ''}",
                    min(getattr(start, what) for start in ours),
                    "ms",
                    min(getattr(start, what) for start in floor),
                    goal,
                )
        code = [_started("imports", PATHS[0], "--with-agent", *driver) for _ in range(1 if quick else 3)]
        mib = median(start.mib for start in count)
        for what, starts_of_floor in (("the libraries", floor), ("libraries and code", code)):
            name = f"resident memory, compared with {what} loaded"
            floor_mib = median(start.mib for start in starts_of_floor)
            yield Row(name, mib, "MiB", floor_mib, Goal("ratio", at_most=1.05))


class Start(NamedTuple):
    """Milliseconds from the start of a process to its first 200, and MiB of memory after some requests."""

    ms: float
    cpu_ms: float  # CPU time of all its threads
    mib: float


def _started(program: str, path: str, *driver: str) -> Start:
    with running(program, *driver, ready=path, **SETTINGS) as server:
        cpu_ms = server.cpu_seconds() * 1000
        for number in range(WARM_UP_REQUESTS):
            server.get(PATHS[number % len(PATHS)] if program == "agent" else PATHS[0])
        return Start(server.first_answer * 1000, cpu_ms, server.resident_mib())
