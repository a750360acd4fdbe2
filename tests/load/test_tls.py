"""Misbehaving clients of an HTTPS agent do not affect others, and leak nothing."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from agent.sources.procfs import count_open_files
from tests.server.test_handshakes import HALF_A_HELLO
from tests.server.test_protocol import DEADLINE, TlsPort, connection, read_until, trusting_anybody
from tests.support.agents import agent_process, wait_until
from tests.support.certificates import made_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.agents import Process

pytestmark = pytest.mark.slow

STREAM = b"GET /gpu/stream?interval=0.5 HTTP/1.1\r\nHost: gpu\r\n\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Process]:
    made = made_certificate(tmp_path)
    with agent_process("--simulate", "8", TLS_CERT=str(made.certificate), TLS_KEY=str(made.key)) as process:
        yield process


def test_misbehaving_clients_do_not_affect_others_and_leak_nothing(agent: Process) -> None:
    """Some never read, some leave within an event, some never end their handshake or their request."""
    port = TlsPort(agent.url.rpartition(":")[2])
    events = 0

    def read(polite: socket.socket) -> None:
        nonlocal events
        while piece := polite.recv(1 << 20):
            events += piece.count(b"data: {")

    with connection(port) as polite:
        polite.sendall(STREAM)
        read_until(polite, b"\n\n\r\n")
        files = open_files(agent)
        reading = threading.Thread(target=read, args=[polite])
        reading.start()
        for _ in range(2):
            before = events
            with ExitStack() as stack:
                for _ in range(20):
                    stalled = stack.enter_context(secure(port, 4096))
                    stalled.sendall(STREAM)
                for _ in range(20):
                    leaving = stack.enter_context(secure(port))
                    leaving.sendall(STREAM)
                    leaving.recv(100)
                    leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                for _ in range(20):
                    stack.enter_context(secure(port)).sendall(b"GET / HTTP/1.1\r\nHost:")
                for greeting in (b"", HALF_A_HELLO) * 150:
                    stack.enter_context(connection(int(port))).sendall(greeting)
                wait_until(lambda: events >= before + 4, "the others get their events")  # noqa: B023  (at once)
            wait_until(lambda: open_files(agent) <= files, "the agent has closed their connections", 60)
        assert agent.stop() == 0
        reading.join(DEADLINE)
    assert "Traceback" not in agent.log


def secure(port: int, buffer: int | None = None) -> socket.socket:
    """A connection on which the handshake is complete."""
    client = socket.socket()
    client.settimeout(DEADLINE)
    if buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", int(port)))
    return trusting_anybody().wrap_socket(client)


def open_files(agent: Process) -> int:
    return count_open_files("/proc", agent.popen.pid) or 0
