"""The notifications to systemd (serves, still serves, ends), read from a socket of the test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from agent.server.service_manager import ServiceManager
from tests.support import loopback
from tests.support.agents import ROOT, agent_process, clean_environ, free_port, wait_until
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DEADLINE = 20.0  # seconds until a test gives up


class Systemd:
    """A notify socket like that of systemd."""

    def __init__(self, address: str) -> None:
        self.environ = {"NOTIFY_SOCKET": address}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.settimeout(DEADLINE)

    def next_message(self) -> str:
        return self.socket.recv(4096).decode()

    def messages(self) -> list[str]:
        """All messages that have arrived."""
        self.socket.settimeout(0)
        found = []
        try:
            while True:
                found.append(self.next_message())
        except BlockingIOError:
            self.socket.settimeout(DEADLINE)
            return found


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(f"{tmp_path}/notify")
    with systemd.socket:
        yield systemd


@pytest.mark.parametrize("address", ["{tmp_path}/notify", "@{tmp_path}/notify"], ids=["path", "abstract"])
def test_ready_and_stopping_are_each_sent_once(tmp_path: Path, address: str) -> None:
    systemd = Systemd(address.format(tmp_path=tmp_path))
    manager = ServiceManager(systemd.environ)
    for _ in range(3):
        manager.serves()
    manager.stops()
    with systemd.socket:
        assert systemd.messages() == ["READY=1", "STOPPING=1"]


def test_the_watchdog_is_notified_exactly_twice_in_its_time(systemd: Systemd) -> None:
    clock = Clock()
    environ = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    manager = ServiceManager(systemd.environ | environ, clock=clock)
    assert manager.watches
    assert manager.tick_interval == 3.0
    for _ in range(481):  # up to the end of the minute
        manager.serves()
        clock.now += 0.125
    assert systemd.messages() == ["READY=1"] + 4 * ["WATCHDOG=1"]


@pytest.mark.parametrize("environ", [{}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}])
def test_no_watchdog_is_notified_if_there_is_none_or_it_is_for_another_process(
    systemd: Systemd, environ: dict[str, str]
) -> None:
    clock = Clock()
    manager = ServiceManager(systemd.environ | environ, clock=clock)
    manager.serves()
    clock.now += 3600
    manager.serves()
    assert (systemd.messages(), manager.watches) == (["READY=1"], False)


def test_without_systemd_nothing_is_sent() -> None:
    for environ in ({}, {"NOTIFY_SOCKET": "/no/such/socket"}):
        manager = ServiceManager(environ)
        manager.serves()
        manager.stops()
        assert not manager.watches


def test_a_full_notify_socket_does_not_block_and_is_tried_again(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.environ)
    for _ in range(10_000):
        manager.stops()
    manager.serves()
    assert "READY=1" not in systemd.messages()
    manager.serves()
    assert systemd.messages() == ["READY=1"]


# The agent itself


@pytest.mark.slow
def test_the_agent_sends_ready_when_it_can_answer_and_stopping_at_its_end(systemd: Systemd) -> None:
    port = str(free_port())
    with started(["main.py", "--simulate", "1", "--host", "127.0.0.1", "--port", port], systemd) as agent:
        assert systemd.next_message() == "READY=1"
        assert loopback.get(f"http://127.0.0.1:{port}/health", timeout=DEADLINE).status_code == 200
        agent.terminate()
        assert systemd.next_message() == "STOPPING=1"
        assert agent.wait(DEADLINE) == 0


@contextmanager
def started(program: Sequence[str], systemd: Systemd, **environ: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, *program],
        cwd=ROOT,
        env={**clean_environ(), **systemd.environ, **environ},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_hanging_driver_does_not_stop_the_notifications_of_the_watchdog(systemd: Systemd) -> None:
    program = ["-m", "tests.support.hung_agent", "everything"]
    environ = {**systemd.environ, "WATCHDOG_USEC": "1000000"}
    with agent_process(program=program, probe="/health?whole", **environ) as agent:
        assert systemd.next_message() == "READY=1"
        for _ in range(4):
            assert systemd.next_message() == "WATCHDOG=1"
        assert agent.stop() == 0


STANDS_STILL = """
import faulthandler, os, signal, socket, threading, time
from uvicorn import Config
from agent.server.agent_server import AgentServer
from agent.server.service_manager import ServiceManager

async def app(scope, receive, send):
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})

def stand_still(*_):
    time.sleep(3600)

signal.signal(signal.SIGUSR1, stand_still)
manager = ServiceManager(os.environ)
faulthandler.enable()
threading.Thread(target=stand_still, daemon=True).start()
server = AgentServer(Config(app, ws="none", log_config=None), manager=manager)
server.run(sockets=[socket.create_server(("127.0.0.1", 0))])
"""


@pytest.mark.slow
def test_a_blocked_event_loop_stops_the_watchdog_and_its_traceback_is_printed(
    systemd: Systemd,
) -> None:
    with started(["-c", STANDS_STILL], systemd, WATCHDOG_USEC="1000000") as agent:
        assert [systemd.next_message(), systemd.next_message()] == ["READY=1", "WATCHDOG=1"]
        agent.send_signal(signal.SIGUSR1)
        wait_until(
            lambda: not gets_message_within(systemd, 2.0),
            "no notification arrives for longer than the time of the watchdog",
        )
        agent.send_signal(signal.SIGABRT)
        _, said = agent.communicate(timeout=DEADLINE)
    assert agent.returncode == -signal.SIGABRT
    assert "in stand_still" in said


def gets_message_within(systemd: Systemd, seconds: float) -> bool:
    systemd.socket.settimeout(seconds)
    try:
        return bool(systemd.next_message())
    except TimeoutError:
        return False
