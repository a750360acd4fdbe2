"""What the agent costs while nobody looks, above an empty uvicorn."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from agent.sampling.pace import POLL_LINGER_INTERVALS
from benchmarks.server import SETTINGS, running, usual_driver
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "idle: 8 GPUs with 4 processes each, nobody looks; floor: an empty uvicorn"
HISTORY = {"history every 10 s": "10", "no history": "0"}
GOALS = (Goal("above floor", at_most=0.5), Goal("above floor", at_most=0.1))  # percentage points


def run(*, quick: bool) -> Iterator[Row]:
    """All run at once: each process has a CPU clock of its own."""
    with ExitStack() as stack:
        driver = stack.enter_context(usual_driver())
        agents = [
            stack.enter_context(running("agent", *driver, **SETTINGS, HISTORY_INTERVAL=interval))
            for interval in HISTORY.values()
        ]
        servers = [stack.enter_context(running("constant")), *agents]
        time.sleep(POLL_LINGER_INTERVALS + 2)
        started = time.monotonic()
        cpu = [server.cpu_seconds() for server in servers]
        calls = [agent.counts()["calls"] for agent in agents]
        time.sleep(5 if quick else 60)
        percent = [
            100 * (server.cpu_seconds() - before) / (time.monotonic() - started)
            for server, before in zip(servers, cpu, strict=True)
        ]
        for number, name in enumerate(HISTORY):
            made = agents[number].counts()["calls"] - calls[number]
            yield Row(f"{name}: CPU of one core", percent[number + 1], "%", percent[0], GOALS[number])
            yield Row(f"{name}: driver calls", 60 * made / (time.monotonic() - started), "/min")
