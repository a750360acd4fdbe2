"""A client that reads an event stream as a browser's EventSource does."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Event:
    """An event, and the time at which its last byte was read."""

    data: dict[str, Any]
    at: float  # of the monotonic clock


@dataclass
class EventSource:
    """Connects again whenever the connection ends, but never after an answer that is not an event stream."""

    client: httpx.Client
    url: str
    connections: int = 0
    heartbeats: int = 0
    retry: float = 0.1  # seconds

    def __iter__(self) -> Iterator[Event]:
        while True:
            with suppress(httpx.RemoteProtocolError):  # cut
                yield from self._connection()
            time.sleep(self.retry)  # shorter than the `retry` of the stream, for which a browser waits

    def _connection(self) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        with self.client.stream("GET", self.url, headers=headers) as response:
            self.connections += 1
            assert response.status_code == 200, "EventSource does not try again after any other status"
            assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
            for line in response.iter_lines():
                self.heartbeats += line.startswith(":")
                yield from events_in([line])


def events_in(lines: Iterable[str]) -> Iterator[Event]:
    """The agent's events, each one line `data: {json}`. Comments and `retry` are skipped."""
    for line in lines:
        assert not line or line.startswith(("data: ", ":", "retry: ")), (
            f"{line!r} is not what the agent sends"
        )
        if line.startswith("data: "):
            yield Event(json.loads(line.removeprefix("data: ")), time.monotonic())
