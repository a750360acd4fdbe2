"""The whole agent with a substitute collector that returns one Snapshot, and its answers."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx

from agent import __version__
from agent.app import create_app
from agent.http.web import BUILD
from agent.sampling.history import History
from agent.sampling.pace import Pace
from agent.sampling.sampler import Sampler
from agent.sampling.waiting import WaitingQueue
from agent.views.history import DEFAULT, FIELDS
from tests.exact.reading import AGENT, before
from tests.support.agents import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.http.shared_state import SharedState
    from agent.readings import Snapshot
    from agent.sampling.collector import Collector

FOLDER = Path(__file__).parent / "answers"
HISTORY_INTERVAL = 10.0

OTHERS = ",".join(FIELDS[len(DEFAULT) :])  # the columns that are reported only on request
# File -> the path of the request, and its Accept header.
QUESTIONS: dict[str, tuple[str, str]] = {
    "count.json": ("/count", "*/*"),
    "status.json": ("/status", "*/*"),
    "status-mig.json": ("/status?mig=1", "*/*"),
    "status-compute.json": ("/status?process=C", "*/*"),
    "status-graphics.json": ("/status?process=G&idx=0", "*/*"),
    "gpu.json": ("/gpu", "*/*"),
    "gpu-one.json": ("/gpu?idx=4", "*/*"),
    "gpu-detail.json": ("/gpu?detail=1", "*/*"),
    "processes.json": ("/processes", "*/*"),
    "processes-idle.json": ("/processes?user=bob&idle=1", "*/*"),
    "users.json": ("/users", "*/*"),
    "summary.json": ("/summary", "*/*"),
    "free.json": ("/free?count=2", "*/*"),
    "free-shared.json": ("/free?max_utilization=100&min_free_memory=1GiB", "*/*"),
    "history.json": ("/history", "*/*"),
    "history-others.json": (f"/history?fields={OTHERS}", "*/*"),
    "ready.json": ("/ready", "*/*"),
    "metrics.txt": ("/metrics", "text/plain"),
    "openmetrics.txt": ("/metrics", "application/openmetrics-text"),
}


class FixedCollector:
    """A substitute for the collector with its workers and sources."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    async def collect(self, *, watched: bool = True) -> Snapshot:  # noqa: ARG002  (not used)
        return self._snapshot


class ExactAgent:
    """An agent that answers about the Snapshot that it is shown."""

    def __init__(self, client: httpx.AsyncClient, agent: SharedState) -> None:
        self._client = client
        self._agent = agent

    def show(self, snapshot: Snapshot) -> None:
        """Answer about this Snapshot from now on, with three earlier times in the history."""
        collector = cast("Collector", FixedCollector(snapshot))
        self._agent.sampler = Sampler(
            collector,
            Pace(1.0, 0),
            clock=lambda: snapshot.taken_monotonic,
            since_boot=lambda: snapshot.taken_since_boot,
        )
        self._agent.queue = WaitingQueue()
        self._agent.history = History(HISTORY_INTERVAL)
        for seconds, k in ((75.0, 3), (20.0, 2), (10.0, 1)):  # after the first there is a gap
            self._agent.history.add(before(snapshot, seconds, k))
        self._agent.history.add(snapshot)

    async def answer(self, file: str) -> str:
        """The answer to the question of this file, in the form of the file."""
        return await self.get(*QUESTIONS[file])

    async def get(self, path: str, accept: str = "*/*") -> str:
        """An answer: JSON in a readable form, text unchanged; without the version of the agent."""
        response = await self._client.get(path, headers={"Accept": accept, "Accept-Encoding": "identity"})
        assert response.status_code == 200, f"GET {path}: {response.text}"
        if response.headers["content-type"] == "application/json":
            text = readable(response.json()) + "\n"
            return text.replace(f'"version": "{__version__}"', '"version": "VERSION"').replace(BUILD, "BUILD")
        return response.text.replace(f'version="{__version__}"', 'version="VERSION"')


@asynccontextmanager
async def exact_agent() -> AsyncIterator[ExactAgent]:
    """An agent without a Snapshot; call `show` first."""
    app = create_app(settings(HISTORY_INTERVAL="10", METRICS_PROCESSES="1"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
        app.state.shared.read_agent = lambda: AGENT
        yield ExactAgent(client, app.state.shared)


def readable(value: Any, indent: str = "") -> str:
    """JSON with its keys in their order; a value that fits is on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= 110 or not isinstance(value, dict | list):
        return line
    deeper = indent + "  "
    if isinstance(value, list):
        inside = [deeper + readable(entry, deeper) for entry in value]
        return "[\n" + ",\n".join(inside) + f"\n{indent}]"
    inside = [f"{deeper}{json.dumps(key)}: {readable(entry, deeper)}" for key, entry in value.items()]
    return "{\n" + ",\n".join(inside) + f"\n{indent}}}"
