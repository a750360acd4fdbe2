"""Answers per second, compared with a raw ASGI app, and with handlers that read the driver each time."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import wrk
from benchmarks.server import HEADERS, PREFIX, SETTINGS, Server, running, usual_driver
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "http: 8 GPUs with 4 processes each, prefix and token, keep-alive"
CONNECTIONS = (1, 32)
# Of a run of the slow handler: 32 simultaneous requests can take more than one second.
SLOW_SECONDS = 3
LEFTOVERS = 2.0  # seconds in which a slow handler finishes requests whose clients have left
NEAR_THE_FLOOR = Goal("ratio", at_least=0.8)
NEAR_THE_FLOOR_PACKED = Goal("ratio", at_least=0.7)
A_HUNDRED_TIMES = Goal("ratio", at_least=100)


def run(*, quick: bool) -> Iterator[Row]:
    """Rows for both paths. Agent and floor run in turn, so that other load affects both."""
    turns, seconds = (2, 1) if quick else (15, 1)
    with (
        usual_driver() as driver,
        running("agent", *driver, **SETTINGS) as agent,
        running("per_request", *driver) as per_request,
    ):
        for path in (f"{PREFIX}/status", f"{PREFIX}/gpu"):
            yield from _path(path, agent, per_request, turns=turns, seconds=seconds)
            yield _packed(path, agent, turns=turns, seconds=seconds)
        yield from _scrapes(agent, turns=turns, seconds=seconds)


def _scrapes(agent: Server, *, turns: int, seconds: int) -> Iterator[Row]:
    """`/metrics`, whose text is made once a second, with 32 connections that wait for it."""
    path = f"{PREFIX}/metrics"
    with tempfile.NamedTemporaryFile() as body:
        Path(body.name).write_bytes(agent.get(path)[1])
        with running("constant", f"--body={body.name}") as constant:
            turn = [
                tuple(
                    wrk.run(server.url + path, connections=32, seconds=seconds, headers=HEADERS)
                    for server in (agent, constant)
                )
                for _ in range(turns)
            ]
    ours, floor = map(wrk.best, zip(*turn, strict=True))
    name = f"{path}, 32 connections"
    yield Row(f"{name}: answers", ours.per_second, "/s", floor.per_second, Goal("ratio", at_least=0.8))
    yield Row(f"{name}: p99", ours.p99_ms, "ms", floor.p99_ms, Goal("ratio", at_most=2))


def _packed(path: str, agent: Server, *, turns: int, seconds: int) -> Row:
    """32 connections that accept gzip; the floor sends the same compressed bytes."""
    headers = HEADERS | {"Accept-Encoding": "gzip"}
    with tempfile.NamedTemporaryFile() as body:
        Path(body.name).write_bytes(agent.get(path, **{"Accept-Encoding": "gzip"})[1])
        with running("constant", f"--body={body.name}") as constant:
            turn = [
                tuple(
                    wrk.run(server.url + path, connections=32, seconds=seconds, headers=headers)
                    for server in (agent, constant)
                )
                for _ in range(turns)
            ]
    ours, floor = map(wrk.best, zip(*turn, strict=True))
    name = f"{path}, 32 connections, gzip: answers"
    return Row(name, ours.per_second, "/s", floor.per_second, NEAR_THE_FLOOR_PACKED)


def _path(path: str, agent: Server, per_request: Server, *, turns: int, seconds: int) -> Iterator[Row]:
    def load(server: Server, connections: int, seconds: int = seconds) -> wrk.Load:
        return wrk.run(server.url + path, connections=connections, seconds=seconds, headers=HEADERS)

    with tempfile.NamedTemporaryFile() as body:
        Path(body.name).write_bytes(agent.get(path)[1])
        with running("constant", f"--body={body.name}") as constant:
            for connections in CONNECTIONS:
                turn = [(load(agent, connections), load(constant, connections)) for _ in range(turns)]
                ours, floor = map(wrk.best, zip(*turn, strict=True))
                slow = wrk.best(load(per_request, connections, SLOW_SECONDS) for _ in range(min(turns, 3)))
                time.sleep(LEFTOVERS)
                name = f"{path}, {connections} connection{'s' * (connections > 1)}"
                goal = NEAR_THE_FLOOR if connections > 1 else None
                yield Row(f"{name}: answers", ours.per_second, "/s", floor.per_second, goal)
                yield Row(f"{name}: p50", ours.p50_ms, "ms", floor.p50_ms)
                yield Row(f"{name}: p99", ours.p99_ms, "ms", floor.p99_ms)
                yield Row(
                    f"{name}: answers, beside collecting in each request",
                    ours.per_second,
                    "/s",
                    slow.per_second,
                    A_HUNDRED_TIMES,
                )
