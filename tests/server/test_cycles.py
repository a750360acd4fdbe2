"""The header of an answer that is written from memory, and which one is left to uvicorn."""

from __future__ import annotations

import pytest

from agent.server.cycles import known_header

LENGTH = b"content-length", b"12"
AGE = b"age", b"7"


@pytest.mark.parametrize(
    ("status", "headers", "header"),
    [
        pytest.param(200, [LENGTH], b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n", id="a length"),
        pytest.param(
            404,
            [AGE, (b"Content-Length", b"12"), (b"X", b"")],
            b"HTTP/1.1 404 Not Found\r\nage: 7\r\ncontent-length: 12\r\nx: \r\n\r\n",
            id="others beside it",
        ),
    ],
)
def test_the_header_of_an_answer_with_a_length_is_written_from_memory(
    status: int, headers: list[tuple[bytes, bytes]], header: bytes
) -> None:
    assert known_header(status, tuple(headers)) == (header, 12)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([AGE], id="no length"),
        pytest.param([(b"content-length", b"twelve")], id="a length that is no number"),
        pytest.param([LENGTH, LENGTH], id="two lengths"),
        pytest.param([LENGTH, (b"Connection", b"close")], id="the end of the connection"),
        pytest.param([LENGTH, (b"transfer-encoding", b"chunked")], id="chunks"),
        pytest.param([LENGTH, (b"a b", b"c")], id="a name that is none"),
        pytest.param([LENGTH, (b"a", b"b\r\nc: d")], id="a value that is none"),
    ],
)
def test_any_other_header_is_left_to_uvicorn(headers: list[tuple[bytes, bytes]]) -> None:
    assert known_header(200, tuple(headers)) is None
