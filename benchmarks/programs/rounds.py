"""The collector alone: rounds of sampling, a second apart, timed; prints their seconds as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

from agent.sampling.collector import Collector
from agent.sources.gpu import GpuSource
from agent.sources.host import HostSource
from agent.sources.nvml import DriverSource
from agent.sources.process_source import ProcessSource
from benchmarks.programs import simulated

WARM_UP = 2  # rounds; the first makes contact
PACE = 1.0  # seconds


async def time_rounds(count: int) -> list[float]:
    """Seconds of each round."""
    collector = Collector(
        DriverSource(), GpuSource, HostSource(), ProcessSource(), sample_interval=PACE, sample_timeout=2.0
    )
    taken = []
    for _ in range(WARM_UP + count):
        started = time.perf_counter()
        await collector.collect()
        seconds = time.perf_counter() - started
        taken.append(seconds)
        await asyncio.sleep(PACE - seconds)
    collector.close()
    return taken[WARM_UP:]


if __name__ == "__main__":
    parser = simulated.options()
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    simulated.install(given)
    sys.stdout.write(json.dumps(uvloop.run(time_rounds(given.rounds))))
