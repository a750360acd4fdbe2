"""A connection without a network: a test feeds its protocol, and reads what it writes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn import Config
from uvicorn.server import ServerState

from agent.server.protocol import LimitedHttpProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.types import Receive, Scope, Send

GET = b"GET /a%20b?x=1 HTTP/1.1\r\nHost: gpu\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: gpu\r\nContent-Length: %d\r\n\r\n"
LENGTH = b"content-length", b"5"


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, *, is_unix: bool = False) -> None:
        names = {} if is_unix else {"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 80)}
        super().__init__(names)
        self.written = b""
        self.can_end = True
        self.ended = self.closed = False
        self.is_read = True

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        if not self.can_end:
            raise NotImplementedError
        self.ended = True

    def can_write_eof(self) -> bool:
        return self.can_end

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


class Timers:
    """All that a connection asks of its event loop. A timer runs out when the test says so."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._set: list[tuple[float, Callable[[], object], asyncio.TimerHandle]] = []

    def call_later(self, delay: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(delay, callback, (), self._loop)
        self._set.append((delay, callback, timer))
        return timer

    def create_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._loop.create_task(work)

    def running(self) -> list[float]:
        """The seconds of each timer that is set and not cancelled."""
        return [delay for delay, _, timer in self._set if not timer.cancelled()]

    def run_out(self) -> None:
        """The one that is running."""
        ((_, callback, timer),) = [one for one in self._set if not one[2].cancelled()]
        timer.cancel()
        callback()


class Counting(LimitedHttpProtocol):
    """Counts what it has parsed."""

    parsed = 0

    def on_headers_complete(self) -> None:
        self.parsed += 1
        super().on_headers_complete()


class Connection:
    """A connection to an app that says "hello" without reading a body, once it may."""

    def __init__(self, *, is_unix: bool = False) -> None:
        self.scopes: list[dict[str, Any]] = []  # of the requests so far, as they came
        self.answers = 200, [LENGTH]
        self.reads_body = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        config = Config(
            self._app, interface="asgi3", http=Counting, ws="none", log_config=None, access_log=False
        )
        config.load()
        self.wire = Wire(is_unix=is_unix)
        self.timers = Timers()
        self.protocol = Counting(config, ServerState(), {}, self.timers)  # type: ignore[arg-type]  # see Timers
        self.protocol.connection_made(self.wire)

    async def says(self, *pieces: bytes) -> bytes:
        """What is written by the time that everybody has had a turn."""
        self.wire.written = b""
        for piece in pieces:
            self.protocol.data_received(piece)
        for _ in range(10):
            await asyncio.sleep(0)
        return self.wire.written

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Changes all that it may."""
        self.scopes.append({**scope, "headers": list(scope["headers"]), "state": dict(scope["state"])})
        scope["root_path"] = "/changed"
        scope["headers"].append((b"added", b"1"))
        scope["state"]["added"] = 1
        if self.reads_body:
            await receive()
        await self.may_answer.wait()
        status, headers = self.answers
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"hello"})
