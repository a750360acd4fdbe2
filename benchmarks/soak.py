"""`uv run python -m benchmarks.soak [--minutes 20]`: whether memory grows, with a fault each minute."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import sys
import time
from statistics import linear_regression
from typing import TYPE_CHECKING

import httpx

from benchmarks.readers import crowd, raise_limit, streams
from benchmarks.server import HEADERS, PREFIX, SETTINGS, Server, driver, running
from benchmarks.table import Goal, Row, table

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLE = "soak: 8 GPUs, 64 processes that come and go, a fault a minute, 20 streams, 8 pollers, 4 waiters"
PATHS = (
    "/status",
    "/gpu",
    "/gpu?detail=1",
    "/processes",
    "/users",
    "/count",
    "/free?count=2",
    "/ready",
    "/summary",
)
STREAM_SECONDS = 20.0  # after this time each reader is replaced by another
WARM_UP = 0.25  # share of the time
SAMPLE_SECONDS = 5.0
# Log lines that the faults cause; any other line at WARNING or above is reported.
EXPECTED = re.compile(
    "is (lost|stuck)|No NVIDIA driver|NVIDIA driver is|has not answered|reports XID|does not report how many"
    "|TOKEN|without authentication"
)


def main() -> int:
    """Prints a table. The exit status is 1 if a goal is not reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--fault-seconds", type=float, default=60.0, help="from one fault to the next")
    given = parser.parse_args()
    raise_limit()
    arguments = (*driver(gpus=8, pids=[], call_us=0), f"--fault-seconds={given.fault_seconds}")
    with running("troubled", *arguments, **SETTINGS, HISTORY_INTERVAL="10") as agent:
        rows = asyncio.run(_soak(agent, given.minutes * 60))
    sys.stdout.write(table(TITLE, rows) + "\n")
    return 0 if all(row.met is not False for row in rows) else 1


async def _soak(agent: Server, seconds: float) -> list[Row]:
    until = time.monotonic() + seconds
    statuses: dict[int, int] = {}
    async with httpx.AsyncClient(base_url=agent.url + PREFIX, headers=HEADERS, timeout=30) as client:
        load = [
            *(_poll(client, path, until, statuses) for path in PATHS),
            *(_wait(client, until) for _ in range(4)),
            _stream(agent, until),
        ]
        measuring = asyncio.create_task(_memory(agent, until))
        await asyncio.gather(*load)
        memory = await measuring
    settled = memory[int(len(memory) * WARM_UP) :]
    slope = linear_regression([at / 60 for at, _ in settled], [mib for _, mib in settled]).slope
    foreign = [line for line in _complaints(agent) if not EXPECTED.search(line)]
    for line in foreign[:20]:
        sys.stderr.write(f"not expected: {line}\n")
    return [
        Row("minutes", seconds / 60),
        Row("requests answered", sum(statuses.values())),
        Row("of them 200", 100 * statuses.get(200, 0) / max(1, sum(statuses.values())), "%"),
        Row("resident memory at the end", memory[-1][1], "MiB"),
        Row("growth of resident memory", slope, "MiB/min", goal=Goal("value", at_most=0.1)),
        Row("lines in the log that no fault explains", len(foreign), goal=Goal("value", at_most=0)),
    ]


async def _poll(client: httpx.AsyncClient, path: str, until: float, statuses: dict[int, int]) -> None:
    while time.monotonic() < until:
        status = (await client.get(path)).status_code
        statuses[status] = statuses.get(status, 0) + 1
        await asyncio.sleep(0.25)


async def _wait(client: httpx.AsyncClient, until: float) -> None:
    while time.monotonic() < until:
        await client.get("/free?count=8&wait=5")
        await asyncio.sleep(0.1)


async def _stream(agent: Server, until: float) -> None:
    intervals = itertools.cycle((0.5, 1, 2, 7))
    while (left := until - time.monotonic()) > 0:
        paths = [
            path for interval, _ in zip(intervals, range(20), strict=False) for path in streams(1, interval)
        ]
        async with crowd(agent.port, paths):
            await asyncio.sleep(min(left, STREAM_SECONDS))


async def _memory(agent: Server, until: float) -> Sequence[tuple[float, float]]:
    """The time in seconds of the monotonic clock, and resident memory in MiB."""
    found = []
    while time.monotonic() < until:
        found.append((time.monotonic(), agent.resident_mib()))
        await asyncio.sleep(min(SAMPLE_SECONDS, max(0.1, (until - time.monotonic()) / 4)))
    return found


def _complaints(agent: Server) -> list[str]:
    lines = agent.log.read_text("utf-8", errors="replace").splitlines()
    return [line for line in lines if re.search("WARNING|ERROR|CRITICAL|Traceback|Error:", line)]


if __name__ == "__main__":
    sys.exit(main())
