"""What uvicorn does not do by itself: bounds on what a client may send, and exit status 0 after a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from agent.errors import CLIENT_FAULT, envelope
from agent.signals import handled_signals

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from types import FrameType

    from uvicorn.server import ServerState

logger = logging.getLogger("agent")


class _Refused(Exception):
    """Stops the parser; uvicorn then calls `send_400_response`, which takes its answer from `_refusal`."""


class _UnchunkedCycle(RequestResponseCycle):
    """An answer in HTTP/1.0, which knows no chunks: the end of the connection is the end of the body."""

    async def send(self, message: Any) -> None:  # uvicorn gives its type no public name
        self.chunked_encoding = False
        if message["type"] == "http.response.body":
            self.expected_content_length = len(message.get("body", b""))  # whatever comes was expected
        await super().send(message)


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on a request's head, an envelope for each refusal, and no upgrades."""

    head_timeout = 10.0  # seconds to the complete head, from the connection or from its first byte
    linger_timeout = 1.0  # seconds a refused client may go on sending: a reset would take the answer from it
    max_request_line = 8 * 1024  # bytes
    max_headers = 32 * 1024  # bytes of all header lines together
    max_waiting = 8  # requests sent ahead, before the answer to the first is complete

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_begun = False
        self._unanswered: list[RequestResponseCycle] = []  # the one under way, and those that wait for it
        self._undigested = 0  # bytes fed to the parser since it last handed on a head or a piece of body
        self._refusal = (400, "This is not a valid HTTP/1.1 request")
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        super().connection_lost(exc)
        self._give_up_answers()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        # httptools keeps a header until its line ends, so a bound on whole headers alone would come too late.
        self._undigested += len(data)
        super().data_received(data)
        if self._undigested > self.max_request_line + self.max_headers:
            self._refuse(431, self._headers_too_long())
        elif self._head_timer is None and not self._answering():
            self._await_head()  # a head that comes in one piece, as nearly all do, needs no timer

    # Parser callbacks

    def on_message_begin(self) -> None:
        self._head_begun = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1") > self.max_request_line:
            raise self._because(
                414, f"The request line is longer than the {self.max_request_line} bytes accepted"
            )

    def on_headers_complete(self) -> None:
        self._undigested = 0
        self._cancel_head_timer()
        self._head_begun = False
        if sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers) > self.max_headers:
            raise self._because(431, self._headers_too_long())
        if self._get_upgrade() == b"websocket":
            raise self._because(
                400, "WebSocket is not offered; GET /gpu/stream sends live values as an event stream"
            )
        if len(self.pipeline) == self.max_waiting:
            raise self._because(400, f"More than {self.max_waiting} requests wait for an answer")
        super().on_headers_complete()
        self._unanswered = [cycle for cycle in self._unanswered if not cycle.response_complete]
        self._unanswered.append(self.cycle)
        if self.parser.should_upgrade():  # to h2c: answered in HTTP/1.1, but the parser takes nothing more
            self.cycle.keep_alive = False
        if self.parser.get_http_version() == "1.0":
            self.cycle.__class__ = _UnchunkedCycle  # uvicorn offers no way to say what it makes
        if self.pipeline:
            self.flow.resume_reading()  # uvicorn paused it, and would not notice that the client goes

    def on_body(self, body: bytes) -> None:
        self._undigested = 0
        super().on_body(body)
        if self.pipeline and self.flow.read_paused:
            raise self._because(400, "The body of a request that waits for an answer is too long")

    def on_message_complete(self) -> None:
        self._undigested = 0
        super().on_message_complete()

    # Refusals

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's sentence gives way to ours
        self._refuse(*self._refusal)

    def _because(self, status: int, error: str) -> _Refused:
        self._refusal = status, error
        return _Refused()

    def _headers_too_long(self) -> str:
        return f"The request's headers are longer than the {self.max_headers} bytes accepted"

    def _unsupported_upgrade_warning(self) -> None:
        """Says nothing, for uvicorn's advice to install a WebSocket library would mislead."""

    def _give_up_answers(self) -> None:
        """uvicorn would only tell the newest request that nobody listens any more."""
        for cycle in self._unanswered:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout, self._on_head_timeout)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_head_timeout(self) -> None:
        if self._head_begun:
            self._refuse(408, f"The request's head was not complete within {self.head_timeout:g} seconds")
        else:  # browsers connect ahead of need and would take a 408 for the answer to their next request
            self.transport.close()

    def _refuse(self, status: int, error: str) -> None:
        if self._refused or self.transport.is_closing():
            return
        logger.debug("Refused %s: %d, %s", self.client, status, error)
        self._refused = True
        self._cancel_head_timer()
        self._unset_keepalive_if_required()
        if self._answering():
            self._give_up_answers()  # they would come after ours
            if self.cycle.response_started or self.pipeline:  # nothing may be written into another answer
                self.transport.close()
                return
        body = envelope(CLIENT_FAULT, error)
        self.transport.write(
            STATUS_LINE[status]
            + b"".join(name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers)
            + b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            + (b"" if self.parser.get_method() == b"HEAD" else body)
        )
        self.transport.write_eof()
        self._head_timer = self.loop.call_later(self.linger_timeout, self.transport.close)


class AgentServer(Server):
    """uvicorn's server, for which a signal is an orderly end: it is not raised again afterwards."""

    start_grace = 0.5  # seconds that a start under way has left when a signal comes

    def __init__(self, config: Config, *, exit_deadline: float | None = None) -> None:
        """`exit_deadline`: seconds from the first signal to exit status 0, come what may; None: no bound."""
        super().__init__(config)
        self.exit_deadline = exit_deadline

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        with handled_signals(self.handle_exit):
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  a signal handler's shape
        """Unlike uvicorn's, a second Ctrl-C cuts nothing short: a shell and `uv run` each send one."""
        if self.exit_deadline is not None and not self.should_exit:
            # An interval timer, not a thread: a signal handler may run while a lock of `threading` is held.
            signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
            signal.setitimer(signal.ITIMER_REAL, self.exit_deadline)
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, unless a signal comes first: then what has not yet started is given up."""
        starting = asyncio.create_task(super().startup(sockets))
        while not starting.done() and not self.should_exit:
            await asyncio.wait([starting], timeout=0.05)
        await asyncio.wait([starting], timeout=self.start_grace)
        if starting.done():
            starting.result()
        else:
            starting.cancel()
