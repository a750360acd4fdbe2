"""UDS: the agent on a Unix socket, for a reverse proxy on its host."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from uvicorn import Config

from agent.server.agent_server import AgentServer
from agent.server.listener import listening_at
from tests.server.test_protocol import DEADLINE, ImpatientProtocol, read_to_end
from tests.support.agents import agent_process, wait_until
from tests.support.starting import starting_agent

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send


@pytest.fixture
def path(tmp_path: Path) -> str:
    return f"{tmp_path}/agent.sock"


@pytest.mark.slow
def test_with_uds_the_agent_serves_only_on_the_socket_and_logs_it(path: str) -> None:
    with agent_process("--simulate", "1", UDS=path, PORT="1") as agent:
        wait_until(lambda: agent.get("/count").json() == {"code": 0, "data": 1}, "the driver answers")
        assert f" on http://unix:{path}:/ — " in agent.log
        assert "UDS replaces HOST and PORT" in agent.log
        assert "anyone who reaches this socket can read" in agent.log
        assert agent.stop() == 0


@pytest.mark.slow
def test_the_next_agent_replaces_the_socket_that_a_killed_one_has_left(path: str) -> None:
    with agent_process("--simulate", "1", UDS=path) as agent:
        assert agent.stop(signal.SIGKILL) == -signal.SIGKILL
    with agent_process("--simulate", "1", UDS=path) as agent:
        assert agent.get("/count").status_code == 200
        with starting_agent(port="1", UDS=path) as second:
            assert second.wait(DEADLINE) == 1
        assert agent.get("/count").status_code == 200
        assert agent.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trusted", "client"), [("127.0.0.1,::1", "192.0.2.7:0"), ("10.0.0.1", "127.0.0.1:0")]
)
def test_the_client_is_the_forwarded_one_if_local_proxies_are_trusted(
    path: str, trusted: str, client: str
) -> None:
    settings = {"ACCESS_LOG": "1", "FORWARDED_ALLOW_IPS": trusted}
    with agent_process("--simulate", "1", UDS=path, **settings) as agent:
        agent.get("/count", **{"X-Forwarded-For": "192.0.2.7"})
        assert agent.stop() == 0
        assert f'{client} - "GET /count HTTP/1.1" 200' in agent.log


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without end, until the client has left."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    disconnected = asyncio.create_task(_disconnected(receive))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while not disconnected.done():
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await asyncio.sleep(0)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class ShortSends(ImpatientProtocol):
    send_timeout = 0.3


def test_a_client_that_stops_reading_from_a_unix_socket_is_dropped(path: str) -> None:
    """The kernel does so for clients of a TCP port."""
    with listening_at(path) as listener:
        config = Config(endless, http=ShortSends, ws="none", loop="uvloop", log_config=None)
        server = AgentServer(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(DEADLINE)
                client.connect(path)
                client.sendall(b"GET / HTTP/1.1\r\nHost: gpu\r\n\r\n")
                wait_until(lambda: server.server_state.connections, "it is connected")
                wait_until(lambda: not server.server_state.connections, "it is gone")
                assert len(read_to_end(client)) < 10_000_000
        finally:
            server.handle_exit(signal.SIGTERM, None)  # at once, not with the next tick
            thread.join(DEADLINE)
