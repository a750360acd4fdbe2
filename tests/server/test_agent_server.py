"""What the server does between requests: next to nothing, and it ends at once all the same."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from uvicorn import Config

from agent.server.agent_server import AgentServer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

pytestmark = pytest.mark.anyio


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


class Counted(AgentServer):
    ticks = 0
    ticked: asyncio.Event

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        self.ticked.set()
        return await super().on_tick(counter)


async def test_a_signal_ends_it_at_once_between_two_ticks() -> None:
    server = Counted(Config(app, ws="none", lifespan="on", log_config=None))
    server.tick_interval = 3600.0
    server.ticked = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(10):
            await server.ticked.wait()
            await asyncio.sleep(0.3)  # in which uvicorn's own has three ticks
            assert server.ticks == 1
            server.handle_exit(signal.SIGTERM, None)
            await serving
    assert (server.ticks, server.status) == (2, 0)
