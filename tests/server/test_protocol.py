"""Limits for clients, refusals as envelopes, and the end by a signal with status 0."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from uvicorn import Config

from agent.server.agent_server import AgentServer
from agent.server.handshakes import Certificate, Handshakes
from agent.server.protocol import LimitedHttpProtocol
from agent.settings.tls_pair import TlsPair
from tests.support.agents import wait_until
from tests.support.certificates import made_certificate
from tests.support.terminal import ON_TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

DEADLINE = 10.0  # seconds until a test gives up
GET = b"GET / HTTP/1.1\r\nHost: gpu\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: gpu\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
END = b"5\r\nhello\r\n0\r\n\r\n"


class ImpatientProtocol(LimitedHttpProtocol):
    """A protocol with limits that are short enough for tests."""

    head_timeout = 0.3
    linger_timeout = 0.3
    answer_timeout = 0.3


class PatientProtocol(LimitedHttpProtocol):
    """The protocol itself, except that it does not wait for further data of a refused client."""

    linger_timeout = 0.3


disconnected = threading.Event()  # set once /slow knows that its client has left
released = threading.Event()  # set to let /held answer


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer "hello", except that /slow sends "slow" and then nothing until the client has left.

    /sized sends the length of its answer, and /held does not answer until it is released.
    """
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-length", b"5")] if scope["path"] == "/sized" else []
    while scope["path"] == "/held" and not released.is_set():  # noqa: ASYNC110  set in another thread
        await asyncio.sleep(0.005)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/slow":
        await send({"type": "http.response.body", "body": b"slow", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        disconnected.set()
    await send({"type": "http.response.body", "body": b"hello"})


class TlsPort(int):
    """A port with TLS."""


def test_the_limits_for_a_client_have_these_values() -> None:
    bounds = LimitedHttpProtocol
    seconds = bounds.head_timeout, bounds.linger_timeout, bounds.send_timeout, bounds.answer_timeout
    assert seconds == (10, 1, 30, 60)
    assert (bounds.max_request_line, bounds.max_headers) == (8192, 32_768)
    assert (bounds.max_header_lines, bounds.max_chunks, bounds.max_waiting) == (200, 1000, 8)


@pytest.fixture(scope="module", params=["plain", pytest.param("TLS", marks=pytest.mark.slow)])
def handshakes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Handshakes | None:
    """The handshakes of the servers below, or None for plain HTTP."""
    if request.param == "plain":
        return None
    made = made_certificate(tmp_path_factory.mktemp("certificate"))
    return Handshakes(Certificate(TlsPair(str(made.certificate), str(made.key))))


@pytest.fixture(scope="module")
def port(handshakes: Handshakes | None) -> Iterator[int]:
    """The port of a real server on loopback, in a thread."""
    with serving(ImpatientProtocol, handshakes) as port:
        yield port


@pytest.fixture(scope="module")
def patient_port(handshakes: Handshakes | None) -> Iterator[int]:
    """The same, but no answer is cut because of its duration."""
    with serving(PatientProtocol, handshakes) as port:
        yield port


@contextmanager
def serving(protocol: type[LimitedHttpProtocol], handshakes: Handshakes | None = None) -> Iterator[int]:
    """The port of a server with this protocol, over TLS if there are handshakes."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = Config(
        app,
        http=protocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
    )
    server = AgentServer(config, handshakes=handshakes)
    ended: list[int] = []

    def run() -> None:
        server.run(sockets=[listener])
        ended.append(server.status)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: server.started, "the server has started")
    try:
        number = listener.getsockname()[1]
        yield TlsPort(number) if handshakes else number
    finally:
        server.handle_exit(signal.SIGTERM, None)  # at once, not with the next tick
        thread.join(DEADLINE)
    assert ended == [0], "in order"


@pytest.fixture(autouse=True)
def _no_error_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a client sends causes a traceback."""
    yield
    logged = caplog.get_records("call")
    assert not [record.getMessage() for record in logged if record.levelno >= logging.ERROR]


@contextmanager
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=DEADLINE) as client:
        if isinstance(port, TlsPort):
            with trusting_anybody().wrap_socket(client, suppress_ragged_eofs=False) as secure:
                yield secure
        else:
            yield client


def trusting_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_until(client: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        more = client.recv(65536)
        assert more, f"the connection was closed after {received!r}"
        received += more
    return received


def stays_open(client: socket.socket) -> bool:
    """Whether the server sends nothing and keeps the connection for twice the time that a head may take."""
    client.settimeout(2 * ImpatientProtocol.head_timeout)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    else:
        return False
    finally:
        client.settimeout(DEADLINE)


def read_to_end(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def exchange(port: int, request: bytes) -> bytes:
    """Send these bytes, and return all that the server sends until it closes the connection."""
    with connection(port) as client:
        client.sendall(request)
        return read_to_end(client)


def refusal(answer: bytes, *, code: int = 1) -> tuple[int, str]:
    """Status and sentence of a refusal, after checking that it is one envelope and closes the connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert "content-type: application/json" in lines
    assert "connection: close" in lines
    assert f"content-length: {len(body)}" in lines
    envelope = json.loads(body)
    assert envelope == {"code": code, "data": None, "error": envelope["error"]}
    return int(lines[0].split()[1]), envelope["error"]


# The head of a request


def test_a_request_within_the_limits_is_served(port: int) -> None:
    request = (
        b"GET /"
        + b"a" * 8000
        + b" HTTP/1.1\r\nHost: gpu\r\nConnection: close\r\nX: "
        + b"x" * 32_000
        + b"\r\n\r\n"
    )
    assert exchange(port, request).startswith(OK)


@pytest.mark.parametrize(
    "request_line",
    [
        pytest.param(b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\n\r\n", id="complete"),
        pytest.param(b"GET /" + b"a" * 9000, id="without end"),
        pytest.param(b"GET /?" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n", id="a long query"),
    ],
)
def test_a_request_line_over_8_kib_is_414(port: int, request_line: bytes) -> None:
    expected = (414, "The request line is longer than the 8192 bytes accepted")
    assert expected == refusal(exchange(port, request_line))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"X: " + b"x" * 33_000 + b"\r\n\r\n", id="one header"),
        pytest.param((b"X: " + b"x" * 400 + b"\r\n") * 100 + b"\r\n", id="many headers"),
        pytest.param(b"X: " + b"x" * 50_000, id="without end"),
        pytest.param(b"X" * 50_000, id="a name without end"),
    ],
)
def test_headers_over_32_kib_are_431(port: int, headers: bytes) -> None:
    expected = (431, "The request's headers are longer than the 32768 bytes accepted")
    assert expected == refusal(exchange(port, GET + headers))


@pytest.mark.parametrize("lines", [b"a:\r\n" * 6000, b"X: x\r\n" * 200])
def test_headers_in_more_than_200_lines_are_431(port: int, lines: bytes) -> None:
    """The parser is called for each line, so a thousand clients could block all others for seconds."""
    expected = (431, "The request has more than the 200 headers accepted")
    assert expected == refusal(exchange(port, GET + lines + b"\r\n"))


def test_a_body_of_a_thousand_chunks_is_accepted_and_one_of_more_is_413(port: int) -> None:
    post = b"POST / HTTP/1.1\r\nHost: gpu\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"1\r\nx\r\n"
    assert exchange(port, post + chunk * 999 + b"0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    held = post.replace(b"/ HTTP", b"/slow HTTP")
    expected = (413, "The body comes in more than the 1000 chunks accepted")
    assert expected == refusal(exchange(port, held + chunk * 5000))


def test_an_endless_header_is_refused_long_before_50_mb(port: int) -> None:
    """It is not stored either: the answer arrives while the client is still sending."""
    with connection(port) as client:
        client.sendall(GET + b"X: ")
        client.setblocking(False)
        sent, answer = 0, b""
        deadline = time.monotonic() + DEADLINE
        while not answer and time.monotonic() < deadline:
            try:
                answer = client.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                sent += send_some(client)
        assert sent < 16_000_000
        assert refusal(answer)[0] == 431


def send_some(client: socket.socket) -> int:
    try:
        return client.send(b"x" * 65536)
    except (BlockingIOError, ssl.SSLWantWriteError):
        return 0


def test_trailers_are_limited_like_headers(port: int) -> None:
    """Trailers are stored like headers, so they must not grow without end."""
    post = b"POST / HTTP/1.1\r\nHost: gpu\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connection(port) as client:
        client.sendall(post)
        read_until(client, END)
        client.sendall(b"0\r\nX: " + b"x" * 50_000)
        assert refusal(read_to_end(client))[0] == 431


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"hello\r\n\r\n", id="text"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="an unknown version"),
        pytest.param(b"GET / HTTP/1.1\r\nHost gpu\r\n\r\n", id="a header without colon"),
        pytest.param(b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", id="an invalid length"),
        pytest.param(b"GET gpu:80 HTTP/1.1\r\nHost: gpu\r\n\r\n", id="an invalid target"),
        pytest.param("GET /?user=jürgen HTTP/1.1\r\n\r\n".encode(), id="a URL that is not percent-encoded"),
        pytest.param(b"\x00" * 100_000, id="zeros"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: gpu\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            id="a chunk without length",
        ),
    ],
)
def test_a_request_that_is_not_http_gets_an_envelope(port: int, garbage: bytes) -> None:
    assert refusal(exchange(port, garbage)) == (400, "This is not a valid HTTP/1.1 request")


def test_a_refused_head_request_gets_no_body(port: int) -> None:
    answer = exchange(port, b"HEAD /" + b"a" * 9000)
    assert answer.startswith(b"HTTP/1.1 414 ")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "half", [pytest.param(b"GET / HT", id="request line"), pytest.param(GET + b"X: y", id="headers")]
)
def test_a_half_sent_request_is_408_after_the_timeout(port: int, half: bytes) -> None:
    expected = (408, "The request's head was not complete within 0.3 seconds")
    assert expected == refusal(exchange(port, half))


def test_a_silent_connection_is_closed_without_an_answer(port: int) -> None:
    """A browser that connects in advance would take a 408 for the answer to its next request."""
    assert exchange(port, b"") == b""


def test_a_head_that_arrives_slowly_gets_no_extra_time(port: int) -> None:
    with connection(port) as client:
        begun = time.monotonic()
        client.sendall(b"GET / HTTP/1.1\r\n")
        client.settimeout(0.05)
        answer = b""
        while not answer and time.monotonic() < begun + DEADLINE:
            try:
                answer = client.recv(65536)
            except TimeoutError:
                client.sendall(b"X: y\r\n")
        assert refusal(answer)[0] == 408


def test_the_second_request_of_a_connection_has_the_same_limits(port: int) -> None:
    with connection(port) as client:
        client.sendall(GET + b"\r\n")
        read_until(client, END)
        client.sendall(GET)
        assert refusal(read_to_end(client))[0] == 408


def test_a_connection_may_be_idle_between_requests_longer_than_a_head_may_take(port: int) -> None:
    with connection(port) as client:
        client.sendall(GET + b"\r\n")
        read_until(client, END)
        assert stays_open(client)
        client.sendall(GET + b"Connection: close\r\n\r\n")
        assert read_to_end(client).startswith(OK)


def test_an_answer_may_take_longer_than_a_head_may(port: int) -> None:
    with connection(port) as client:
        client.sendall(SLOW)
        read_until(client, b"slow\r\n")
        assert stays_open(client)


def test_nothing_is_written_into_a_running_answer(port: int) -> None:
    """Garbage after the request of an open stream closes it. An envelope would be taken for stream data."""
    with connection(port) as client:
        client.sendall(SLOW)
        read_until(client, b"slow\r\n")
        client.sendall(b"\x00\x01garbage\r\n\r\n")
        assert read_to_end(client) == b""


# Requests sent ahead

POST = b"POST / HTTP/1.1\r\nHost: gpu\r\nContent-Length: 9999999\r\n\r\n"
SENT_AHEAD = [
    pytest.param(GET + b"\r\n", id="one"),
    pytest.param((GET + b"\r\n") * 8, id="as many as may wait"),
    pytest.param((GET + b"\r\n") * 1000, id="many"),
    pytest.param(GET + b"\r\n" + GET + b"X: y", id="one and a half"),
    pytest.param(POST + b"x" * 1000, id="a body"),
    pytest.param(POST + b"x" * 100_000, id="a long body"),
    pytest.param(GET + b"\r\n\x00\x01garbage", id="one and garbage"),
    pytest.param(GET + b"X: " + b"x" * 50_000, id="headers over the limit"),
    pytest.param(b"GET / HTTP/1.0\r\n\r\n", id="HTTP/1.0"),
]


def test_requests_sent_ahead_are_answered_in_order(port: int) -> None:
    with connection(port) as client:
        client.sendall((GET + b"\r\n") * 8 + GET + b"Connection: close\r\n\r\n")
        assert read_to_end(client).count(END) == 9


TOO_MANY = (503, "More than 8 requests wait for an answer")


@pytest.mark.parametrize("behind", [b"", GET + b"\r\n", b"\0garbage", b"x" * 100_000])
@pytest.mark.parametrize("reached", [False, True], ids=["at once", "once they wait"])
def test_too_many_requests_sent_ahead_get_one_503_after_the_answers(
    patient_port: int, caplog: pytest.LogCaptureFixture, behind: bytes, reached: bool
) -> None:
    """The data after them does not matter. The requests that may wait get their whole answers first."""
    released.clear()
    held = b"GET /held HTTP/1.1\r\nHost: gpu\r\n\r\n"
    waiting, too_many = (GET + b"\r\n") * 8, (GET + b"\r\n") * 5 + behind
    with connection(patient_port) as client:
        client.sendall(held + waiting + (b"" if reached else too_many))
        if reached:
            client.sendall(too_many)
        wait_until(lambda: "Invalid HTTP request received." in caplog.messages, "all are read")
        released.set()
        received = read_to_end(client)
    answers, end, last = received.rpartition(END)
    assert (answers + end).count(OK) == (answers + end).count(END) == 9
    assert refusal(last, code=2) == TOO_MANY
    assert b"\r\nretry-after: 1\r\n" in last


@pytest.mark.parametrize(
    ("behind", "status"),
    [
        pytest.param(b"\0garbage", 400, id="garbage"),
        pytest.param(GET + b"X: " + b"x" * 50_000 + b"\r\n\r\n", 431, id="headers over the limit"),
        pytest.param(b"GET / HTTP/2.0\r\nHost: gpu\r\n\r\n", 400, id="another version"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no Host"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: gpu\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
            id="an incomplete body",
        ),
    ],
)
def test_a_refused_request_does_not_cut_the_answers_to_earlier_ones(
    patient_port: int, behind: bytes, status: int
) -> None:
    released.clear()
    with connection(patient_port) as client:
        client.sendall(b"GET /held HTTP/1.1\r\nHost: gpu\r\n\r\n" + GET + b"\r\n" + behind)
        released.set()
        answers, end, last = read_to_end(client).rpartition(END)
    assert (answers + end).count(OK) == (answers + end).count(END) == 2
    assert refusal(last)[0] == status


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("ahead", SENT_AHEAD)
def test_a_stream_ends_with_its_client_whatever_was_sent_after_its_request(
    port: int, ahead: bytes, reset: bool
) -> None:
    disconnected.clear()
    with connection(port) as client:
        client.sendall(SLOW)
        read_until(client, b"slow\r\n")
        client.sendall(ahead)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert disconnected.wait(DEADLINE)


@pytest.mark.parametrize(
    "ahead",
    [pytest.param((GET + b"\r\n") * 9, id="requests"), pytest.param(POST + b"x" * 100_000, id="body")],
)
def test_more_data_than_may_wait_closes_the_connection(port: int, ahead: bytes) -> None:
    disconnected.clear()
    with connection(port) as client:
        client.sendall(SLOW)
        read_until(client, b"slow\r\n")
        client.sendall(ahead)
        assert disconnected.wait(DEADLINE)


# HTTP/1.0


@pytest.mark.parametrize("path", [b"/", b"/sized"])
def test_an_answer_in_http_1_0_has_no_chunks_and_closes_the_connection(port: int, path: bytes) -> None:
    head, _, body = exchange(port, b"GET %s HTTP/1.0\r\n\r\n" % path).partition(b"\r\n\r\n")
    assert body == b"hello"
    assert b"connection: close" in head
    assert b"transfer-encoding" not in head
    assert (b"content-length: 5" in head) == (path == b"/sized")


def test_an_answer_in_http_1_0_has_no_chunks_with_keep_alive_either(port: int) -> None:
    """`ab -k` sends such requests."""
    answer = exchange(port, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert answer.endswith(b"connection: close\r\n\r\nhello")


def test_a_stream_in_http_1_0_is_sent_piece_by_piece(port: int) -> None:
    with connection(port) as client:
        client.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
        assert read_until(client, b"slow").endswith(b"\r\n\r\nslow")


# Upgrades


def test_a_websocket_is_refused_with_a_hint_to_the_stream(port: int) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    error = "WebSocket is not offered; GET /gpu/stream sends live values as an event stream"
    assert refusal(exchange(port, GET + upgrade)) == (400, error)


def test_an_offer_to_upgrade_to_http_2_is_answered_in_http_1(port: int) -> None:
    """`curl --http2` and Java's HttpClient offer it with every first request."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    answer = exchange(port, GET + offer)
    assert answer.startswith(OK)
    assert b"connection: close" in answer


# Signals

SERVER = """
import asyncio, os, signal, socket, sys, time
from uvicorn import Config
from agent.server.agent_server import AgentServer

mode, exit_deadline = sys.argv[1], float(sys.argv[2])

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if mode == "hangs at start":
            print("ready", flush=True)
            await asyncio.sleep(3600)
        await send({"type": "lifespan.startup.complete"})
        print("ready", flush=True)
        await receive()
        if mode == "hangs at end":
            time.sleep(3600)
        await send({"type": "lifespan.shutdown.complete"})
        print("ended", flush=True)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data", "more_body": True})
    await asyncio.sleep(3600)

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
config = Config(app, loop="uvloop", ws="none", lifespan="on", log_config=None, timeout_graceful_shutdown=1)
AgentServer(config, exit_deadline=exit_deadline, end=os._exit).run(sockets=[listener])
print("left", flush=True)
"""


@contextmanager
def process(
    mode: str, *before: str, exit_deadline: float = 2 * DEADLINE
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server in its own process, once it is ready, and its port."""
    command = [*before, *ON_TERMINAL, sys.executable, "-c", SERVER, mode, str(exit_deadline)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603  our own script
        assert child.stdout is not None
        port = int(child.stdout.readline())
        assert child.stdout.readline() == "ready\n"
        try:
            yield child, port
        finally:
            child.kill()


def stop(child: subprocess.Popen[str], sig: signal.Signals) -> tuple[int, str]:
    """Exit status, and the remaining output."""
    child.send_signal(sig)
    printed, _ = child.communicate(timeout=DEADLINE)
    return child.returncode, printed


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_process_properly_with_status_0(sig: signal.Signals) -> None:
    with process("plain") as (child, _):
        ended = stop(child, sig)
    assert ended == (0, "ended\nleft\n")


def test_two_signals_at_once_still_end_the_process_properly() -> None:
    """A terminal sends Ctrl-C to `uv run` and to the agent, and `uv run` passes it on."""
    with process("plain") as (child, _):
        child.send_signal(signal.SIGINT)
        ended = stop(child, signal.SIGINT)
    assert ended == (0, "ended\nleft\n")


def test_a_signal_during_the_start_ends_the_process_with_status_0() -> None:
    with process("hangs at start") as (child, _):
        ended = stop(child, signal.SIGTERM)
    assert ended == (0, "left\n")


@pytest.mark.parametrize("mode", [pytest.param("plain", marks=pytest.mark.slow), "hangs at end"])
def test_an_open_answer_or_a_hanging_shutdown_ends_at_the_exit_deadline(mode: str) -> None:
    with process(mode, exit_deadline=1.5) as (child, port), connection(port) as client:
        client.sendall(GET + b"\r\n")
        assert client.recv(65536).startswith(OK)
        status, _ = stop(child, signal.SIGTERM)
    assert status == 0


def test_sighup_stays_ignored_under_nohup() -> None:
    with process("plain", "nohup") as (child, _):
        child.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        assert stop(child, signal.SIGTERM)[0] == 0
