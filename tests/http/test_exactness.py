"""Requests that are not exactly HTTP are refused, and trailers are not headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.http.wire import A_TOKEN, exchange
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSE = b"Connection: close\r\n"
HOST = b"Host: agent\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
TOKEN = b"Authorization: " + A_TOKEN.encode() + b"\r\n"
VALID = b"GET /count HTTP/1.1\r\n" + HOST + TOKEN + CLOSE + b"\r\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Simulation(gpus=1), agent_server(TOKEN=A_TOKEN) as url:
        yield url


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


# Trailers


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
@pytest.mark.parametrize("chunks", [b"", b"5\r\nhello\r\n", b"1;a=b\r\nx\r\n"])
def test_a_token_in_a_trailer_is_not_a_credential(url: str, method: bytes, chunks: bytes) -> None:
    request = (
        method
        + b" /count HTTP/1.1\r\n"
        + HOST
        + CLOSE
        + CHUNKED
        + b"\r\n"
        + chunks
        + b"0\r\n"
        + TOKEN
        + b"\r\n"
    )
    assert exchange(url, request).status == 401


def test_a_request_after_a_trailer_needs_its_own_token(url: str) -> None:
    """A token of the request before it, or in a trailer, does not count."""
    first = b"GET /count HTTP/1.1\r\n" + HOST + TOKEN + CHUNKED + b"\r\n0\r\n" + TOKEN + b"\r\n"
    second = b"GET /count HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n0\r\nX: y\r\n" + TOKEN + b"\r\n"
    reply = exchange(url, first + second + VALID)
    assert [reply.status, *statuses(reply.body)] == [200, 401, 200]


@pytest.mark.parametrize(
    "trailer",
    [
        pytest.param(b"X: y\r\n" * 6000, id="thousands"),
        pytest.param(b"X: " + b"y" * 33_000 + b"\r\n", id="a long one"),
    ],
)
def test_trailers_have_the_limits_of_headers(url: str, trailer: bytes) -> None:
    """The refusal may follow the answer, which does not wait for trailers. Then the connection is closed."""
    request = b"GET /count HTTP/1.1\r\n" + HOST + CHUNKED + b"X: " + b"x" * 10_000 + b"\r\n\r\n0\r\n"
    reply = exchange(url, request + trailer + b"\r\n" + VALID)
    assert [reply.status, *statuses(reply.body)] in ([401, 431], [431])
    assert exchange(url, request + b"X: y\r\n" * 100 + b"\r\n" + VALID).status == 401


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"1;" + b"x" * 400_000, id="an extension without end"),
        pytest.param(b"0" * 400_000, id="a size without end"),
    ],
)
def test_a_chunk_line_without_end_is_refused(url: str, body: bytes) -> None:
    reply = exchange(url, b"GET /count HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n" + body)
    assert [reply.status, *statuses(reply.body)] in ([401, 431], [431])


# The head

NO_HTTP = "This is not a valid HTTP/1.1 request"


@pytest.mark.parametrize(
    "version",
    [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/2.0",
        "HTTP/3.0",
        "HTTP/1.10",
        "HTTP/2",
        "http/1.1",
        "RTSP/1.0",
        "ICE/1.0",
    ],
)
def test_another_version_of_http_is_refused(url: str, version: str) -> None:
    reply = exchange(url, f"GET /health {version}\r\n".encode() + HOST + b"\r\n")
    assert reply.status == 400
    assert reply.error in {NO_HTTP, f"{version} is not supported; accepted: HTTP/1.1 and HTTP/1.0"}


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"GET /health\r\n\r\n", id="HTTP/0.9 as it was"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2 without an upgrade"),
        pytest.param(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", id="RTSP"),
        pytest.param(b"SOURCE /count ICE/1.0\r\n\r\n", id="Icecast"),
    ],
)
def test_another_protocol_is_refused(url: str, request_bytes: bytes) -> None:
    reply = exchange(url, request_bytes)
    assert (reply.status, bool(reply.error)) == (400, True)


@pytest.mark.parametrize(
    "lines", [b"User-Agent: player RTSP/1.0\r\n", b"X: SOURCE / ICE/1.0\r\n"], ids=["RTSP", "Icecast"]
)
def test_another_protocol_named_in_a_header_is_ignored(url: str, lines: bytes) -> None:
    assert exchange(url, b"GET /health HTTP/1.1\r\n" + HOST + lines + CLOSE + b"\r\n").status == 200


@pytest.mark.parametrize(
    ("request_line", "host", "status"),
    [
        pytest.param(b"GET /health HTTP/1.1", b"", 400, id="none"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: a\r\nHost: a\r\n", 400, id="two"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: a\r\nhOST: b\r\n", 400, id="two in another case"),
        pytest.param(b"GET /health HTTP/1.0", b"Host: a\r\nHost: a\r\n", 400, id="two in HTTP/1.0"),
        pytest.param(b"GET /health HTTP/1.0", b"", 200, id="none in HTTP/1.0"),
        pytest.param(b"GET /health HTTP/1.1", b"Host:\r\n", 200, id="empty"),
        pytest.param(b"GET /health HTTP/1.1", b"Host:  gpu1:8000 \t\r\n", 200, id="blanks around it"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: [::1]:8000\r\n", 200, id="IPv6"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: [::1\r\n", 400, id="half an IPv6 address"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: [::g]\r\n", 400, id="not an IPv6 address"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: a b\r\n", 400, id="a blank inside"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: a/b\r\n", 400, id="a path"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: u@a\r\n", 400, id="a user"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: a:x\r\n", 400, id="a port that is not a number"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: a:65536\r\n", 400, id="a port above 65535"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: \xc3\xa9\r\n", 400, id="not ASCII"),
        pytest.param(b"GET /health HTTP/1.1", b"Host: a\r\n b\r\n", 400, id="folded"),
        pytest.param(b"GET /health HTTP/1.1", b"Host : a\r\n", 400, id="a blank before the colon"),
    ],
)
def test_a_request_must_have_exactly_one_valid_host(
    url: str, request_line: bytes, host: bytes, status: int
) -> None:
    reply = exchange(url, request_line + b"\r\n" + host + CLOSE + b"\r\n")
    assert reply.status == status
    assert status == 200 or reply.error


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/health", 200),
        (b"http://agent/health", 200),
        (b"HTTPS://AGENT/health?x=http://b", 200),
        (b"http://agent", 200),
        (b"http://agent?x", 200),
        (b"http://other/health", 400),
        (b"http://agent:80/health", 400),
        (b"http://user@agent/health", 400),
        (b"http:///health", 400),
        (b"http://", 400),
        (b"ftp://agent/health", 400),
        (b"/health#x", 400),
        (b"agent:80", 400),
        (b"*", 400),
        (b"*/health", 400),
        (b"health", 400),
        (b"//agent/health", 401),  # a path that begins with two slashes, which does not exist
        (b"/health\x7f", 400),
        (b"/health\x00", 400),
        (b"/health\x85", 400),
        (b"/health\tx", 400),
    ],
)
def test_a_target_is_a_path_or_names_the_same_host(url: str, target: bytes, status: int) -> None:
    reply = exchange(url, b"GET " + target + b" HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert reply.status == status
    assert status == 200 or reply.error


@pytest.mark.parametrize("target", [b"agent:80", b"/health", b"http://agent/health", b"*"])
def test_a_connect_request_is_refused(url: str, target: bytes) -> None:
    assert exchange(url, b"CONNECT " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n").status == 400


@pytest.mark.parametrize(
    ("version", "lines", "body"),
    [
        pytest.param(b"1.1", CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n", id="both lengths"),
        pytest.param(b"1.1", b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n", id="both the other way round"),
        pytest.param(b"1.1", b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello", id="two lengths"),
        pytest.param(b"1.1", b"Content-Length: 5, 5\r\n", b"hello", id="a list of lengths"),
        pytest.param(b"1.1", b"Content-Length: +5\r\n", b"hello", id="a sign"),
        pytest.param(b"1.1", b"Content-Length: 99999999999999999999\r\n", b"", id="too large a length"),
        pytest.param(b"1.0", CHUNKED, b"0\r\n\r\n", id="chunks in HTTP/1.0"),
        pytest.param(b"1.1", CHUNKED + CHUNKED, b"0\r\n\r\n", id="chunked twice"),
        pytest.param(b"1.1", b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n", id="another coding"),
        pytest.param(
            b"1.1", b"Transfer-Encoding: gzip\r\n" + CHUNKED, b"0\r\n\r\n", id="another coding in a line"
        ),
        pytest.param(b"1.1", b"Transfer-Encoding: gzip\r\n", b"", id="no chunks"),
        pytest.param(b"1.1", b"Transfer-Encoding: identity\r\n", b"", id="identity"),
        pytest.param(b"1.1", b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n", id="a blank before the colon"),
        pytest.param(b"1.1", b"X: a\r\n b\r\n", b"", id="a folded line"),
        pytest.param(b"1.1", b"X: a\n", b"", id="a bare LF"),
        pytest.param(b"1.1", b"X: a\rY: b\r\n", b"", id="a bare CR"),
        pytest.param(b"1.1", b"X: a\0b\r\n", b"", id="NUL"),
        pytest.param(b"1.1", b"X: a\x01b\r\n", b"", id="a control character"),
        pytest.param(b"1.1", b"X: a\x7fb\r\n", b"", id="DEL"),
        pytest.param(b"1.1", b"X\x01: a\r\n", b"", id="a control character in a name"),
        pytest.param(b"1.1", b": a\r\n", b"", id="no name"),
    ],
)
def test_an_ambiguous_head_is_refused(url: str, version: bytes, lines: bytes, body: bytes) -> None:
    """Nothing after it is answered: to a proxy it may have been the body of the same request."""
    reply = exchange(url, b"GET /health HTTP/" + version + b"\r\n" + HOST + lines + b"\r\n" + body + VALID)
    assert (reply.status, bool(reply.error)) == (400, True)


@pytest.mark.parametrize(
    "expectation", [pytest.param(b"100-continue", id="continue"), pytest.param(b"200-ok", id="unknown")]
)
def test_a_get_with_an_expect_header_is_answered(url: str, expectation: bytes) -> None:
    request = b"GET /health HTTP/1.0\r\nExpect: " + expectation + b"\r\nContent-Length: 5\r\n\r\n"
    assert exchange(url, request).status == 200, "HTTP/1.0 has no interim answer"
    request = (
        b"GET /health HTTP/1.1\r\n"
        + HOST
        + CLOSE
        + b"Expect: "
        + expectation
        + b"\r\nContent-Length: 5\r\n\r\n"
    )
    assert exchange(url, request).status in {100, 200}
