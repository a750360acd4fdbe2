"""A request that is repeated on its connection is parsed once, and treated like any other."""

from __future__ import annotations

import logging
from logging.handlers import BufferingHandler
from typing import TYPE_CHECKING

import pytest

from agent.server.cycles import known_header
from tests.server.in_memory import GET, LENGTH, POST, Connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

HEAD = b"HEAD" + GET[3:]


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    """A new connection."""
    connection = Connection()
    yield connection
    connection.protocol.connection_lost(None)


async def test_a_repeated_request_is_parsed_once_and_gets_the_same_answer_each_time(
    connection: Connection,
) -> None:
    first = await connection.says(GET)
    assert first == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    assert [await connection.says(GET) for _ in range(3)] == [first] * 3
    assert connection.protocol.parsed == 1


async def test_the_header_of_a_repeated_answer_is_made_once(connection: Connection) -> None:
    known_header.cache_clear()
    for _ in range(4):  # the first one is uvicorn's
        await connection.says(GET)
    assert known_header.cache_info()[:2] == (2, 1), "taken from memory, made"


async def test_changes_of_the_app_to_the_scope_do_not_affect_the_next_request(
    connection: Connection,
) -> None:
    for _ in range(3):
        await connection.says(GET)
    assert connection.scopes[0]["path"] == "/a b"
    assert connection.scopes[0]["headers"] == [(b"host", b"gpu")]
    assert [connection.scopes[0]] * 3 == connection.scopes


async def test_four_different_requests_are_remembered(connection: Connection) -> None:
    four = [GET.replace(b"x=1", b"x=%d" % n) for n in range(4)]
    for request in four * 2:
        await connection.says(request)
    assert [scope["query_string"] for scope in connection.scopes] == [b"x=0", b"x=1", b"x=2", b"x=3"] * 2
    assert connection.protocol.parsed == 4


async def test_no_more_than_four_requests_are_remembered(connection: Connection) -> None:
    for request in [GET.replace(b"x=1", b"x=%d" % n) for n in range(5)] * 2:
        await connection.says(request)
    assert connection.protocol.parsed == 10


async def test_a_refusal_after_repeated_requests_has_a_body_even_after_head(
    connection: Connection,
) -> None:
    for request in (GET, HEAD, GET, GET):
        await connection.says(request)
    assert (await connection.says(b"GET / RTSP/1.0\r\n\r\n")).endswith(b"}")


async def test_a_repeated_head_request_has_no_body_either(connection: Connection) -> None:
    first = await connection.says(HEAD)
    assert first.endswith(b"\r\n\r\n")
    assert await connection.says(HEAD) == first
    assert connection.protocol.parsed == 1


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((POST % 3 + b"abc",), id="with a body"),
        pytest.param((POST % 3, b"abc"), id="with a body in another piece"),
        pytest.param((GET[:20], GET[20:]), id="in two pieces"),
        pytest.param((GET[:-2] + b"X: " + b"x" * 4096 + b"\r\n\r\n",), id="too long to be remembered"),
        pytest.param((GET[:-2] + b"X: y\r\n" * 33 + b"\r\n",), id="with too many lines to be remembered"),
        pytest.param((GET[:-2] + b"Expect: 100-continue\r\n\r\n",), id="with an Expect header"),
        pytest.param((GET + GET,), id="with another request after it"),
    ],
)
async def test_a_request_that_is_not_one_short_head_is_parsed_each_time(
    connection: Connection, pieces: tuple[bytes, ...]
) -> None:
    first = await connection.says(*pieces)
    once = connection.protocol.parsed
    assert await connection.says(*pieces) == first
    assert connection.protocol.parsed == 2 * once


async def test_a_body_that_equals_the_previous_request_is_still_a_body(connection: Connection) -> None:
    await connection.says(GET)
    assert await connection.says(POST % len(GET))  # answered before its body arrives
    assert await connection.says(GET) == b""
    assert [scope["method"] for scope in connection.scopes] == ["GET", "POST"]


async def test_a_repeated_request_sent_ahead_waits_for_the_first_answer(connection: Connection) -> None:
    one = await connection.says(GET)
    assert await connection.says(GET, GET, GET) == one * 3
    assert connection.protocol.parsed == 3


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([(b"Content-Length", b"5"), (b"ETag", b'"1"')], id="capitals"),
        pytest.param([(b"Transfer-Encoding", b"chunked")], id="chunks"),
        pytest.param([LENGTH, (b"transfer-encoding", b"chunked")], id="chunks and a length"),
        pytest.param([LENGTH, (b"connection", b"close")], id="a close"),
        pytest.param([LENGTH, LENGTH], id="two lengths"),
        pytest.param([(b"content-length", b"6")], id="too long"),
        pytest.param([(b"content-length", b"4")], id="too short"),
        pytest.param([(b"content-length", b"five")], id="not a length"),
        pytest.param([LENGTH, (b"a b", b"c")], id="an invalid name"),
        pytest.param([LENGTH, (b"a", b"b\r\nc: d")], id="an invalid value"),
    ],
)
@pytest.mark.parametrize("status", [200, 204, 304])
async def test_the_answer_to_a_repeated_request_may_have_any_header(
    connection: Connection, status: int, headers: list[tuple[bytes, bytes]]
) -> None:
    """It is written, or refused, like the answer to a first request."""
    new = Connection()
    new.answers = status, headers
    expected = await new.says(GET)
    await connection.says(GET)
    connection.answers = status, headers
    for _ in range(2):
        assert await connection.says(GET) == expected
        assert connection.wire.closed == new.wire.closed
        if new.wire.closed:
            break
    new.protocol.connection_lost(None)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"GET / RTSP/1.0\r\n\r\n", 400, id="another protocol"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"GET /" + b"x" * 8192, 414, id="a long line"),
        pytest.param(GET[:-2] + b"X: " + b"x" * 32768, 431, id="a long header"),
    ],
)
async def test_requests_after_a_repeated_one_have_the_same_limits(
    connection: Connection, request_: bytes, status: int
) -> None:
    for _ in range(2):
        await connection.says(GET)
    refused = await connection.says(request_ + b"\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 %d " % status)
    assert await connection.says(GET) == b""


async def test_blank_lines_between_repeated_requests_do_not_add_up(connection: Connection) -> None:
    for _ in range(5):
        assert await connection.says(b"\r\n" * 5000) == b""
        assert (await connection.says(GET)).startswith(b"HTTP/1.1 200 ")


async def test_each_repeated_request_has_its_line_in_the_access_log(connection: Connection) -> None:
    lines = BufferingHandler(10)
    connection.protocol.access_log = True
    connection.protocol.access_logger = logging.Logger("access")
    connection.protocol.access_logger.addHandler(lines)
    for _ in range(3):
        await connection.says(GET)
    assert [line.getMessage() for line in lines.buffer] == ['192.0.2.1:1 - "GET /a%20b?x=1 HTTP/1.1" 200'] * 3


async def test_the_answer_to_a_repeated_request_ends_with_its_client(connection: Connection) -> None:
    await connection.says(GET)
    connection.protocol.data_received(GET)
    cycle = connection.protocol.cycle
    connection.protocol.connection_lost(None)
    assert await cycle.receive() == {"type": "http.disconnect"}


async def test_the_server_waits_for_the_answer_to_a_repeated_request_before_it_ends(
    connection: Connection,
) -> None:
    await connection.says(GET)
    connection.protocol.data_received(GET)
    connection.protocol.shutdown()
    assert b"connection: close" in await connection.says()
    assert connection.wire.closed
