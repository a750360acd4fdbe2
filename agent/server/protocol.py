"""uvicorn's protocol with limits on what a client may send."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from agent.http.errors import CLIENT_FAULT, NO_STORE, SERVER_FAULT, envelope
from agent.http.repeated import MEMORY_KEY
from agent.http.request_head import InvalidHead, checked_target, has_other_protocol
from agent.server.cycles import RepeatedCycle, UnchunkedCycle
from agent.server.listener import SEND_TIMEOUT_MS

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

logger = logging.getLogger("agent")


class _Refused(Exception):
    """Stops the parser; uvicorn then calls `send_400_response`, which takes its answer from `_refusal`."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on a request's head, an envelope for each refusal, and no upgrades."""

    head_timeout = 10.0  # seconds to the complete head, from the connection or from its first byte
    linger_timeout = 1.0  # seconds a refused client may go on sending: a reset would discard the answer
    send_timeout = (
        SEND_TIMEOUT_MS / 1000
    )  # seconds without reading for a client of a Unix socket; for TCP the kernel has a timeout
    answer_timeout = 60.0  # seconds that the answers before a refusal may take: all but streams are quicker
    max_request_line = 8 * 1024  # bytes
    max_headers = 32 * 1024  # bytes of all header lines together, and of the trailer of a chunked body
    # Each line is a callback; many clients with thousands of lines would block the event loop.
    max_header_lines = 200
    max_chunks = 1000  # of a body, for the same reason; nobody reads it
    max_repeatable = 4 * 1024  # bytes of a request that is remembered
    max_repeatable_lines = 32  # its header lines: each takes more memory than its bytes
    max_remembered = 4  # requests of each connection; through a proxy it may be that of several clients
    max_waiting = 8  # pipelined requests, sent before the answer to the first is complete

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._head_begun = False
        self._header_bytes = self._header_lines = self._chunks = 0
        self._in_trailer = False
        # The end of the received bytes, to find a match that is split between two pieces.
        self._line_begun = b""
        # The request that is being answered, and those that wait for it.
        self._unanswered: list[RequestResponseCycle] = []
        self._undigested = 0  # bytes fed to the parser since it last reported a head or a piece of a body
        self._refusal = (400, "This is not a valid HTTP/1.1 request")
        self._refused = False
        self._is_between = True  # requests: the parser is neither in a head nor in a body
        # By its bytes, what was made of a request that can come again. A dict compares hashes first, so that
        # the time it takes reveals nothing about an earlier credential.
        self._repeatable: dict[bytes, dict[str, Any]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        self._cancel_send_timer()
        super().connection_lost(exc)
        self._give_up_answers()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.client is None:  # a Unix socket, which knows no TCP_USER_TIMEOUT
            self._send_timer = self.loop.call_later(self.send_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        self._cancel_send_timer()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._is_between and (known := self._repeatable.get(data)) and self.cycle.response_complete:
            self._repeat(known)
            return
        received = self._line_begun + data
        if has_other_protocol(received):
            self._refuse(*self._refusal)
            return
        self._line_begun = received[received.rfind(b"\n") + 1 :][-self.max_request_line :]
        # httptools buffers a header until its line ends, so a limit on complete headers would come too late.
        self._undigested += len(data)
        is_first_piece, cycle_before = self._is_between, self.cycle
        super().data_received(data)
        if is_first_piece and self._is_between and self.cycle is not cycle_before:
            self._remember(data)
        if self._undigested > self.max_request_line + self.max_headers:
            self._refuse(431, self._headers_too_long())
        elif self._head_timer is None and not self._is_answering():
            self._await_head()  # a head that comes in one piece, as nearly all do, needs no timer

    # Parser callbacks

    def on_message_begin(self) -> None:
        self._head_begun = True
        self._header_bytes = self._header_lines = self._chunks = 0
        self._in_trailer = self._is_between = False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1") > self.max_request_line:
            raise self._because(
                414, f"The request line is longer than the {self.max_request_line} bytes accepted"
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        """As in uvicorn, except that trailer fields of a chunked body are not headers of the request."""
        self._header_bytes += len(name) + len(value) + len(": \r\n")
        if self._header_bytes > self.max_headers:
            raise self._because(431, self._headers_too_long())
        self._header_lines += 1
        if self._header_lines > self.max_header_lines:
            raise self._because(
                431, f"The request has more than the {self.max_header_lines} headers accepted"
            )
        if not self._in_trailer:
            super().on_header(name, value.rstrip(b" \t"))  # llhttp removes only the blanks before the value

    def on_headers_complete(self) -> None:
        self._undigested = 0
        self._cancel_head_timer()
        self._head_begun = False
        self._in_trailer = True
        version = self.parser.get_http_version()
        try:
            self.url, authority = checked_target(version, self.parser.get_method(), self.url, self.headers)
        except InvalidHead as fault:
            raise self._because(400, str(fault)) from None
        if authority is not None and not any(name == b"host" for name, _ in self.headers):  # in HTTP/1.0
            self.headers.append((b"host", authority))
        if self._get_upgrade() == b"websocket":
            raise self._because(
                400, "WebSocket is not offered; GET /gpu/stream sends live values as an event stream"
            )
        if len(self.pipeline) == self.max_waiting:
            raise self._because(503, f"More than {self.max_waiting} requests wait for an answer")
        super().on_headers_complete()
        self._unanswered = [cycle for cycle in self._unanswered if not cycle.response_complete]
        self._unanswered.append(self.cycle)
        # An upgrade to h2c: answered in HTTP/1.1, but the parser accepts nothing more.
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False
        if version == "1.0":
            self.cycle.__class__ = UnchunkedCycle  # uvicorn has no hook for the class of the cycle
            self.cycle.waiting_for_100_continue = False  # an interim answer, which HTTP/1.0 does not have
        if self.pipeline:
            # Uvicorn paused reading, and would not notice that the client disconnects.
            self.flow.resume_reading()

    def on_chunk_header(self) -> None:
        self._chunks += 1
        if self._chunks > self.max_chunks:
            raise self._because(413, f"The body comes in more than the {self.max_chunks} chunks accepted")

    def on_body(self, body: bytes) -> None:
        self._undigested = 0
        super().on_body(body)
        if self.pipeline and self.flow.read_paused:
            raise self._because(400, "The body of a request that waits for an answer is too long")

    def on_message_complete(self) -> None:
        self._undigested = 0
        self._is_between = True
        super().on_message_complete()

    # A request that comes again

    def _remember(self, data: bytes) -> None:
        """Keeps what was made of these bytes: a client that polls sends the same ones each time."""
        cycle = self.cycle
        is_one_head = not (self.pipeline or cycle.body or cycle.waiting_for_100_continue)
        if cycle.scope["method"] == "HEAD" or len(self._repeatable) == self.max_remembered:
            self._repeatable.clear()  # a refusal asks the parser whether HEAD came last: it has no body then
        is_small = len(data) <= self.max_repeatable and self._header_lines <= self.max_repeatable_lines
        if is_one_head and cycle.keep_alive and is_small:
            scope: Any = cycle.scope
            scope[MEMORY_KEY] = {}
            self._repeatable[data] = {**scope, "headers": tuple(scope["headers"])}

    def _repeat(self, known: dict[str, Any]) -> None:
        """Starts the request that is remembered, as uvicorn's `on_headers_complete` does after its parser."""
        self._unset_keepalive_if_required()
        self._cancel_head_timer()
        self._line_begun = b""
        scope: Any = {**known, "headers": list(known["headers"]), "state": self.app_state.copy()}
        self.cycle = RepeatedCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        self._unanswered = [self.cycle]
        self._start_asgi_task(self.cycle, self.app)
        self.on_message_complete()

    # Refusals

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  our sentence replaces uvicorn's
        self._refuse(*self._refusal)

    def _because(self, status: int, error: str) -> _Refused:
        self._refusal = status, error
        return _Refused()

    def _headers_too_long(self) -> str:
        what = "trailer, or a chunk's line, is" if self._in_trailer else "headers are"
        return f"The request's {what} longer than the {self.max_headers} bytes accepted"

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing, because uvicorn's advice to install a WebSocket library would mislead."""

    def _give_up_answers(self) -> None:
        """Disconnect every request; uvicorn would notify only the newest one."""
        for cycle in self._unanswered:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def _is_answering(self) -> bool:
        return any(not cycle.response_complete for cycle in self._unanswered)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout, self._on_head_timeout)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cancel_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _on_head_timeout(self) -> None:
        if self._head_begun:
            self._refuse(408, f"The request's head was not complete within {self.head_timeout:g} seconds")
        else:  # browsers connect in advance, and would take a 408 as the answer to their next request
            self.transport.close()

    def _refuse(self, status: int, error: str) -> None:
        """Send a refusal and close the connection, once the answers to earlier requests are complete."""
        if self._refused or self.transport.is_closing():
            return
        logger.debug("Refused %s: %d, %s", self.client, status, error)
        self._refused = True
        self._refusal = status, error
        self._give_up_request_under_way()
        if self._is_answering():
            self.flow.resume_reading()  # otherwise a disconnect would not be noticed
            self._head_timer = self.loop.call_later(self.answer_timeout, self._give_up)
        else:
            self._write_refusal()

    def _give_up_request_under_way(self) -> None:
        """A request whose body was interrupted gets the refusal, unless its answer has begun."""
        if not self._unanswered or not (cycle := self._unanswered[-1]).more_body or cycle.response_started:
            return
        self._unanswered.pop()
        cycle.disconnected = True
        cycle.message_event.set()
        if self.pipeline:
            self.pipeline.popleft()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._refused and not self._is_answering() and not self.transport.is_closing():
            self._write_refusal()

    def _write_refusal(self) -> None:
        status, error = self._refusal
        self._cancel_head_timer()
        self._unset_keepalive_if_required()
        is_busy = status == 503  # the only refusal that is not the client's fault
        body = envelope(SERVER_FAULT if is_busy else CLIENT_FAULT, error)
        headers = [*self.server_state.default_headers, *NO_STORE]
        if is_busy:
            headers.append((b"retry-after", b"1"))
        self.transport.write(
            STATUS_LINE[status]
            + b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            + b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            + (b"" if self.parser.get_method() == b"HEAD" else body)
        )
        if self.transport.can_write_eof():  # TLS has no half-close: the close that follows is the end
            self.transport.write_eof()
        self._head_timer = self.loop.call_later(self.linger_timeout, self.transport.close)

    def _give_up(self) -> None:
        self._give_up_answers()
        self.transport.close()
