"""Which timer runs for a connection at which time, and what happens when it runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.in_memory import GET, Connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

HEAD, REFUSED, UNANSWERED, UNREAD = [10.0], [1.0], [60.0], [30.0]  # seconds of the timers that run
BETWEEN = [5]  # uvicorn's own, for a connection between two requests
HALF, REST = GET[:20], GET[20:]
GARBAGE = b"\x00garbage"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    connection = Connection()
    yield connection
    connection.protocol.connection_lost(None)


async def test_a_head_has_one_timer_from_its_first_byte_to_its_last(connection: Connection) -> None:
    assert connection.timers.running() == HEAD
    for _ in range(2):
        for piece in (HALF[:3], HALF[3:]):
            assert await connection.says(piece) == b""
            assert connection.timers.running() == HEAD
        assert await connection.says(REST) == OK
        assert connection.timers.running() == BETWEEN


async def test_a_repeated_request_cancels_the_timer_that_waits_for_it(connection: Connection) -> None:
    for _ in range(2):
        assert await connection.says(GET) == OK
        assert connection.timers.running() == BETWEEN
        assert await connection.says(b"\r\n") == b""
        assert connection.timers.running() == HEAD
    assert connection.protocol.parsed == 1


@pytest.mark.parametrize("before", [(), (GET,)], ids=["the first one", "one that comes again"])
async def test_no_timer_runs_while_an_answer_is_made(
    connection: Connection, before: tuple[bytes, ...]
) -> None:
    await connection.says(*before)
    connection.may_answer.clear()
    for piece in (GET, HALF):
        assert await connection.says(piece) == b""
        assert connection.timers.running() == []


async def test_a_connection_without_a_request_in_time_is_closed(connection: Connection) -> None:
    connection.timers.run_out()
    assert (connection.wire.closed, connection.wire.written) == (True, b"")


@pytest.mark.parametrize("said", [HALF, GARBAGE], ids=["half a head", "garbage"])
async def test_a_refused_client_can_send_for_another_second(connection: Connection, said: bytes) -> None:
    await connection.says(said)
    if said == HALF:
        connection.timers.run_out()
    assert connection.wire.written.startswith(b"HTTP/1.1 40")
    assert connection.timers.running() == REFUSED
    assert await connection.says(GET) == b""
    assert (connection.wire.ended, connection.wire.closed) == (True, False)
    connection.timers.run_out()
    assert connection.wire.closed


async def test_answers_before_a_refusal_have_one_minute(connection: Connection) -> None:
    connection.may_answer.clear()
    assert await connection.says(GET, GARBAGE) == b""
    assert connection.timers.running() == UNANSWERED
    connection.may_answer.set()
    assert (await connection.says()).startswith(OK + b"HTTP/1.1 400 ")
    assert connection.timers.running() == REFUSED


async def test_an_answer_that_takes_longer_than_its_minute_is_given_up(connection: Connection) -> None:
    connection.may_answer.clear()
    await connection.says(GET, GARBAGE)
    connection.timers.run_out()
    assert connection.wire.closed
    assert await connection.protocol.cycle.receive() == {"type": "http.disconnect"}


async def test_an_answer_waits_for_a_client_that_does_not_read(connection: Connection) -> None:
    """The kernel drops a TCP client that reads nothing; that takes no timer."""
    for _ in range(2):
        connection.protocol.pause_writing()
        assert await connection.says(GET) == b""
        assert connection.timers.running() == []
        connection.protocol.resume_writing()
        assert await connection.says() == OK


async def test_a_client_of_a_unix_socket_has_half_a_minute_to_read() -> None:
    connection = Connection(is_unix=True)
    assert await connection.says(GET) == OK
    for _ in range(2):
        connection.protocol.pause_writing()
        assert connection.timers.running() == BETWEEN + UNREAD
        connection.protocol.resume_writing()
        assert connection.timers.running() == BETWEEN
    connection.protocol.pause_writing()
    connection.protocol.connection_lost(None)
    assert connection.timers.running() == []


async def test_a_client_of_a_unix_socket_that_reads_nothing_in_time_is_dropped() -> None:
    connection = Connection(is_unix=True)
    connection.may_answer.clear()
    await connection.says(GET)
    connection.protocol.pause_writing()
    connection.timers.run_out()
    assert connection.wire.closed
    connection.protocol.connection_lost(None)


@pytest.mark.parametrize("said", [(), (HALF,), (GET,), (GARBAGE,), (GET, GARBAGE)])
async def test_no_timer_outlasts_its_connection(said: tuple[bytes, ...]) -> None:
    connection = Connection()
    await connection.says(*said)
    assert connection.timers.running() != []
    connection.protocol.connection_lost(None)
    assert connection.timers.running() == []
