"""The bounds on a request, each to the byte, and what is never taken for a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.in_memory import GET, POST, Connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

HOST = b"Host: gpu\r\n"
CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"1\r\nx\r\n"
OK, REFUSED = b"HTTP/1.1 200 ", b"HTTP/1.1 431 "


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    connection = Connection()
    yield connection
    connection.protocol.connection_lost(None)


@pytest.mark.parametrize(("size", "answer"), [(8192, OK), (8193, b"HTTP/1.1 414 ")])
async def test_a_request_line_has_8192_bytes_at_most(
    connection: Connection, size: int, answer: bytes
) -> None:
    line = b"GET /" + b"a" * (size - len("GET / HTTP/1.1")) + b" HTTP/1.1"
    assert len(line) == size
    assert (await connection.says(line + b"\r\n" + HOST + b"\r\n")).startswith(answer)


@pytest.mark.parametrize(("size", "answer"), [(32_768, OK), (32_769, REFUSED)])
async def test_headers_have_32768_bytes_at_most(connection: Connection, size: int, answer: bytes) -> None:
    long = b"a-long-name: " + b"x" * (size - len(HOST) - len("a-long-name: \r\n")) + b"\r\n"
    assert len(HOST + long) == size
    assert (await connection.says(b"GET / HTTP/1.1\r\n" + HOST + long + b"\r\n")).startswith(answer)


@pytest.mark.parametrize(("lines", "answer"), [(200, OK), (201, REFUSED)])
async def test_headers_have_200_lines_at_most(connection: Connection, lines: int, answer: bytes) -> None:
    assert (await connection.says(GET[:-2] + b"a: b\r\n" * (lines - 1) + b"\r\n")).startswith(answer)


@pytest.mark.parametrize(
    ("before", "begun", "what"),
    [
        pytest.param([], GET[:-2] + b"X: ", "headers are", id="at first"),
        pytest.param([GET], GET[:-2] + b"X: ", "headers are", id="behind a request"),
        pytest.param([CHUNKED], b"1;x=", "trailer, or a chunk's line, is", id="behind a head"),
        pytest.param(
            [CHUNKED, CHUNK], b"1;x=", "trailer, or a chunk's line, is", id="behind a piece of a body"
        ),
    ],
)
async def test_a_line_without_end_is_refused_after_40_kib(
    connection: Connection, before: list[bytes], begun: bytes, what: str
) -> None:
    await connection.says(*before)
    connection.may_answer.clear()
    assert await connection.says(begun + b"x" * (40 * 1024 - len(begun))) == b""
    answer = await connection.says(b"x")
    assert answer.startswith(REFUSED)
    assert f"The request's {what} longer than the 32768 bytes accepted" in answer.decode()


@pytest.mark.parametrize(("chunks", "answer"), [(1000, OK), (1001, b"HTTP/1.1 413 ")])
async def test_a_body_has_1000_chunks_at_most(connection: Connection, chunks: int, answer: bytes) -> None:
    """The last one, which is empty, is one of them."""
    connection.may_answer.clear()
    received = await connection.says(CHUNKED, CHUNK * (chunks - 1) + b"0\r\n\r\n")
    connection.may_answer.set()
    assert (received or await connection.says()).startswith(answer)


async def test_each_request_has_bounds_of_its_own(connection: Connection) -> None:
    """Neither lines nor bytes of the one before count."""
    for number in range(3):
        long = b"X: %d" % number + b"x" * 30_000 + b"\r\n" + b"a: b\r\n" * 150
        assert (await connection.says(GET[:-2] + long + b"\r\n")).startswith(OK)


async def test_the_second_half_of_a_request_is_not_a_request(connection: Connection) -> None:
    await connection.says(GET[:20], GET[20:])
    assert (await connection.says(GET[20:])).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"GET / RTSP/1.0\r\n", b"Host: gpu\r\n\r\n"], id="a line"),
        pytest.param([b"GET / RT", b"SP/1.0\r\nHost: gpu\r\n\r\n"], id="half a line"),
        pytest.param([b"\r\nGET / RT", b"SP/", b"1.0\r\nHost: gpu\r\n\r\n"], id="behind a blank line"),
        pytest.param([b"G", b"E", b"T", b" / RTSP/1.0\r\nHost: gpu\r\n\r\n"], id="letter by letter"),
    ],
)
async def test_another_protocol_is_refused_however_it_is_split(
    connection: Connection, pieces: list[bytes]
) -> None:
    assert (await connection.says(*pieces)).startswith(b"HTTP/1.1 400 ")
    assert connection.scopes == []


async def test_a_blank_line_does_not_repeat_the_previous_request(connection: Connection) -> None:
    await connection.says(GET)
    for _ in range(3):
        assert await connection.says(b"\r\n") == b""


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_client_that_does_not_expect_100_continue_gets_none(
    connection: Connection, version: bytes
) -> None:
    """HTTP/1.0 has no interim answers, whatever a client expects."""
    connection.reads_body = True
    request = GET.replace(b"1.1", version)
    if version == b"1.0":
        request = request[:-2] + b"Expect: 100-continue\r\n\r\n"
    for _ in range(2 if version == b"1.1" else 1):
        assert (await connection.says(request)).startswith(OK)


@pytest.mark.parametrize(("size", "times"), [(4096, 1), (4097, 2)])
async def test_a_request_of_4_kib_is_remembered(connection: Connection, size: int, times: int) -> None:
    request = GET[:-2] + b"X: " + b"x" * (size - len(GET) - len("X: \r\n")) + b"\r\n\r\n"
    assert len(request) == size
    for _ in range(2):
        await connection.says(request)
    assert connection.protocol.parsed == times


@pytest.mark.parametrize(("lines", "times"), [(32, 1), (33, 2)])
async def test_a_request_of_32_lines_is_remembered(connection: Connection, lines: int, times: int) -> None:
    for _ in range(2):
        await connection.says(GET[:-2] + b"X: y\r\n" * (lines - 1) + b"\r\n")
    assert connection.protocol.parsed == times


# What an app sees


@pytest.mark.parametrize(
    ("head", "headers"),
    [
        pytest.param(b"GET / HTTP/1.0\r\n", [], id="HTTP/1.0"),
        pytest.param(b"GET / HTTP/1.0\r\nHost: a\r\n", [b"a"], id="HTTP/1.0, a host"),
        pytest.param(b"GET http://a/ HTTP/1.0\r\n", [b"a"], id="HTTP/1.0, a host in the target"),
        pytest.param(b"GET http://a/ HTTP/1.0\r\nX: y\r\n", [b"a"], id="HTTP/1.0, beside another header"),
        pytest.param(b"GET http://a/ HTTP/1.0\r\nHost: a\r\n", [b"a"], id="HTTP/1.0, twice"),
        pytest.param(b"GET http://a/ HTTP/1.1\r\nX: y\r\nHost: a\r\n", [b"a"], id="HTTP/1.1, twice"),
    ],
)
async def test_a_host_is_known_from_its_header_or_from_the_target(
    connection: Connection, head: bytes, headers: list[bytes]
) -> None:
    await connection.says(head + b"\r\n")
    assert [value for name, value in connection.scopes[0]["headers"] if name == b"host"] == headers


async def test_a_trailer_field_is_no_header(connection: Connection) -> None:
    await connection.says(CHUNKED + CHUNK + b"0\r\nX-API-Key: a\r\n\r\n")
    expected = [(b"host", b"gpu"), (b"transfer-encoding", b"chunked")]
    assert connection.scopes[0]["headers"] == expected


# What comes with a refusal


async def test_a_refusal_is_complete_on_a_connection_without_half_close(
    connection: Connection,
) -> None:
    """As over TLS."""
    connection.wire.can_end = False
    assert (await connection.says(b"\0garbage")).endswith(b"}")


async def test_a_request_with_two_faults_is_refused_once(connection: Connection) -> None:
    answer = await connection.says(b"\0" * 50_000)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"content-length") == 1


async def test_a_request_with_an_interrupted_body_gets_only_the_refusal(
    connection: Connection,
) -> None:
    connection.reads_body = True
    assert await connection.says(CHUNKED) == b""
    answer = await connection.says(b"no length\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert OK not in answer
    assert not connection.protocol.tasks, "the app waits for no body"


async def test_an_interrupted_waiting_request_is_never_started(connection: Connection) -> None:
    connection.may_answer.clear()
    assert await connection.says(GET, CHUNKED, b"no length\r\n") == b""
    connection.may_answer.set()
    answers = await connection.says()
    assert (answers.count(OK), answers.count(b"HTTP/1.1 400 ")) == (1, 1)
    assert [scope["method"] for scope in connection.scopes] == ["GET"]


async def test_a_request_with_a_short_body_waits_like_any_other(connection: Connection) -> None:
    connection.may_answer.clear()
    assert await connection.says(GET, POST % 3 + b"abc") == b""
    connection.may_answer.set()
    assert (await connection.says()).count(OK) == 2


async def test_the_body_of_a_waiting_request_is_bounded(connection: Connection) -> None:
    connection.may_answer.clear()
    assert await connection.says(GET, POST % 100_000 + b"x" * 100_000) == b""
    assert connection.wire.is_read, "or its end would not be noticed"
    connection.may_answer.set()
    first, _, refusal = (await connection.says()).partition(b"hello")
    assert first.startswith(OK)
    assert refusal.startswith(b"HTTP/1.1 400 ")
    assert b"The body of a request that waits for an answer is too long" in refusal


async def test_the_body_of_a_request_being_answered_can_have_any_length(connection: Connection) -> None:
    connection.may_answer.clear()
    assert await connection.says(POST % 100_000 + b"x" * 70_000, b"x" * 30_000) == b""
    connection.may_answer.set()
    assert (await connection.says()).startswith(OK)


async def test_a_client_that_expects_100_continue_gets_it(connection: Connection) -> None:
    connection.reads_body = True
    request = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    assert await connection.says(request) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await connection.says(b"x")).startswith(OK)
