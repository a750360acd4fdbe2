"""What many viewers cost: streams at 1 s, compared with a raw ASGI app that sends the same bytes."""

from __future__ import annotations

import asyncio
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.readers import crowd, raise_limit, soft_limit, streams
from benchmarks.server import PREFIX, SETTINGS, Server, driver, running, sleepers
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "streams: 8 GPUs with 4 processes each, an event a second to each; floor: a raw ASGI fan-out"
SUBSCRIBERS = (1, 100, 1000)
SECONDS = 20
SETTLE = 3.0  # seconds until all streams have events at the same times
SYSTEMD_SOFT_LIMIT = 1024  # open files at the start; the agent raises this limit itself
KIB = 1024


class Watched(NamedTuple):
    """What many readers cost, and what they received."""

    samples_per_second: float  # of one GPU each
    cpu_per_second: float  # milliseconds, without the time of the simulation
    delivered_percent: float  # share of the events that were due
    p99_gap: float  # seconds
    resident_mib: float


def run(*, quick: bool) -> Iterator[Row]:
    """Samples compared with those for one subscriber; CPU time compared with that of the fan-out."""
    raise_limit()
    counts = (1, 20) if quick else SUBSCRIBERS
    seconds = 3 if quick else SECONDS
    with sleepers(32) as pids, tempfile.TemporaryDirectory() as folder:
        arguments = driver(gpus=8, pids=pids, call_us=0)
        event = Path(folder) / "event"
        alone: Watched | None = None
        empty = 0.0
        for count in counts:
            with soft_limit(SYSTEMD_SOFT_LIMIT), running("agent", *arguments, **_settings()) as agent:
                if not event.exists():
                    event.write_bytes(b"data: " + agent.get(PREFIX + "/gpu")[1] + b"\n\n")
                watched = asyncio.run(_watch(agent, streams(count), seconds))
            with running("fan_out", f"--event={event}", ready="/") as fan_out:
                floor = asyncio.run(_watch(fan_out, streams(count), seconds, counts_calls=False))
            alone = alone or watched
            empty = empty or watched.resident_mib
            name = f"{count} subscriber{'s' * (count > 1)}"
            same = Goal("ratio", at_most=1.05)
            yield Row(
                f"{name}: GPUs sampled", watched.samples_per_second, "/s", alone.samples_per_second, same
            )
            yield Row(
                f"{name}: events that came", watched.delivered_percent, "%", goal=Goal("value", at_least=99)
            )
            yield Row(f"{name}: gap, p99", watched.p99_gap, "s", floor.p99_gap, Goal("value", at_most=1.25))
            # With few readers, sampling takes most of the time.
            fan = Goal("ratio", at_most=1.7) if count == max(SUBSCRIBERS) else None
            yield Row(f"{name}: CPU", watched.cpu_per_second, "ms/s", floor.cpu_per_second, fan)
            if count > 1:
                each = (watched.resident_mib - empty) * KIB / count
                yield Row(f"{name}: memory of each", each, "KiB", goal=Goal("value", at_most=64))
        yield _many_sets_row(arguments, *((20, 3) if quick else (500, SECONDS)))


def _many_sets_row(arguments: tuple[str, ...], count: int, seconds: int) -> Row:
    """Streams of 255 different sets of GPUs; the floor is as many streams of all eight GPUs."""
    sets = [",".join(str(gpu) for gpu in range(8) if number >> gpu & 1) for number in range(1, 256)]
    crowds = {
        "all": streams(count),
        "sets": [f"{path}&idx={sets[n % 255]}" for n, path in enumerate(streams(count))],
    }
    cpu: dict[str, float] = {}
    for name, paths in crowds.items():
        with running("agent", *arguments, **_settings()) as agent:
            cpu[name] = asyncio.run(_watch(agent, paths, seconds)).cpu_per_second
    what = f"{count} subscribers of 255 sets of GPUs: CPU, beside one set"
    return Row(what, cpu["sets"], "ms/s", cpu["all"], Goal("ratio", at_most=1.5))


def _settings() -> dict[str, str]:
    return {**SETTINGS, "HISTORY_INTERVAL": "0"}


async def _watch(server: Server, paths: list[str], seconds: int, *, counts_calls: bool = True) -> Watched:
    async with crowd(server.port, paths) as readers:
        await asyncio.sleep(SETTLE)
        before = server.counts() if counts_calls else {}
        started, cpu = time.monotonic(), server.cpu_seconds()
        await asyncio.sleep(seconds)
        passed, cpu = time.monotonic() - started, server.cpu_seconds() - cpu
        after = server.counts() if counts_calls else {}
        resident = server.resident_mib()
    spent = {name: after[name] - before[name] for name in after}
    gaps = sorted(chain.from_iterable(reader.gaps(started) for reader in readers))
    came = sum(sum(started <= at < started + seconds for at in reader.events) for reader in readers)
    return Watched(
        samples_per_second=spent.get("samples", 0) / passed,
        cpu_per_second=1000 * (cpu - spent.get("simulation_seconds", 0)) / passed,
        delivered_percent=min(100.0, 100 * came / (len(paths) * seconds)),
        p99_gap=gaps[int(len(gaps) * 0.99)] if gaps else float("inf"),
        resident_mib=resident,
    )
