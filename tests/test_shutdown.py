"""However it is asked to end, whatever hangs: exit status 0 within two seconds, streams ended properly."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.agents import Process, agent_process, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN = 2.0


@contextmanager
def agent_on(hanging: str) -> Iterator[Process]:
    """An agent on a driver whose function `hanging` never returns."""
    program = ("-m", "tests.support.hung_agent", hanging)
    with agent_process(program=program, HISTORY_INTERVAL="1") as process:
        yield process


class Stream(threading.Thread):
    """Reads a stream until its end; `error` is what went wrong, an incomplete body above all."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.events = 0
        self.error: httpx.HTTPError | None = None
        self._url = url

    def run(self) -> None:
        try:
            with httpx.stream("GET", f"{self._url}/gpu/stream?interval=0.5", timeout=30) as response:
                for line in response.iter_lines():
                    self.events += line.startswith("data: ")
        except httpx.HTTPError as error:
            self.error = error


@pytest.mark.parametrize(
    ("number", "hanging"),
    [
        pytest.param(signal.SIGTERM, "nothing", id="SIGTERM"),
        pytest.param(signal.SIGINT, "nothing", id="SIGINT"),
        pytest.param(signal.SIGHUP, "nothing", id="SIGHUP"),
        pytest.param(signal.SIGTERM, "nvmlDeviceGetPowerUsage", id="SIGTERM while a call on one GPU hangs"),
        pytest.param(signal.SIGTERM, "nvmlInitWithFlags", id="SIGTERM while nvmlInit hangs"),
    ],
)
def test_a_signal_ends_it_with_status_0_and_whole_streams(number: signal.Signals, hanging: str) -> None:
    with agent_on(hanging) as agent:
        streams = [Stream(agent.url) for _ in range(5)]
        for stream in streams:
            stream.start()
        wait_until(lambda: all(stream.events for stream in streams), "every stream has begun")
        began = time.monotonic()
        assert agent.stop(number) == 0, agent.log
        assert time.monotonic() - began < WITHIN
        for stream in streams:
            stream.join(5)
            assert stream.error is None, "the chunked body is complete"
        assert "Traceback" not in agent.log


def test_a_second_signal_changes_nothing() -> None:
    with agent_on("nvmlDeviceGetPowerUsage") as agent:
        began = time.monotonic()
        agent.popen.send_signal(signal.SIGTERM)
        agent.popen.send_signal(signal.SIGINT)
        assert agent.stop() == 0
        assert time.monotonic() - began < WITHIN
