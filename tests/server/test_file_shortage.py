"""Connections that cannot be accepted, because no file can be opened, have a line in the log."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from uvicorn import Config

from agent.server.agent_server import AgentServer
from agent.server.file_shortage import FileShortage, open_a_file
from tests.support.agents import agent_process, wait_until
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

LINE = "No connection can be accepted: Too many open files"


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def no_file() -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_shortage_is_logged_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(100.0)
    shortage = FileShortage(probe=no_file, clock=clock)
    counts = []
    for clock.now in (100.0, 101.0, 159.9, 160.0):
        shortage.look()
        counts.append(len(caplog.messages))
    assert counts == [1, 1, 1, 2]
    assert set(caplog.messages) == {LINE}


def test_nothing_is_logged_and_no_file_stays_open_while_files_can_be_opened(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = open_files()
    FileShortage(probe=open_a_file).look()
    assert open_files() == before
    assert caplog.messages == []


async def test_the_server_looks_with_each_tick(caplog: pytest.LogCaptureFixture) -> None:
    server = AgentServer(Config(lambda *_: None), shortage=FileShortage(probe=no_file))
    assert not await server.on_tick(1)
    assert caplog.messages == [LINE]


@pytest.mark.slow
def test_an_agent_without_tls_logs_that_its_files_have_run_out() -> None:
    limit = ("sh", "-c", 'ulimit -n 100; exec "$@"', "sh")
    with agent_process("--simulate", "1", inside=limit, MAX_STREAMS="36") as agent, ExitStack() as stack:
        address = "127.0.0.1", urlsplit(agent.url).port
        for _ in range(100):  # of which each has ten seconds to its complete head
            stack.enter_context(socket.create_connection(address))
        wait_until(lambda: LINE in agent.log, "the shortage is logged")
        stack.close()
        wait_until(lambda: agent.answers("/ready"), "connections are accepted again")
        assert agent.log.count(LINE) == 1
        assert agent.stop() == 0
