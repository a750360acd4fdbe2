"""The head of a request: valid hosts and targets, and the sentence for an invalid one."""

from __future__ import annotations

import pytest

from agent.http.request_head import InvalidHead, checked_target, has_other_protocol, host_of

HOST = (b"host", b"gpu1:8000")


@pytest.mark.parametrize(
    ("value", "host"),
    [
        (b"gpu1", "gpu1"),
        (b"GPU1.Example.org:8000", "gpu1.example.org"),
        (b"gpu1:", None),
        (b"gpu1:65535", "gpu1"),
        (b"gpu1:65536", None),
        (b"gpu1:0", "gpu1"),
        (b"gpu1:123456", None),
        (b"192.0.2.1:80", "192.0.2.1"),
        (b"[2001:DB8:0::1]:80", "[2001:db8::1]"),
        (b"[::1]", "[::1]"),
        (b"[::g]", None),
        (b"[1.2]", None),
        (b"::1", None),
        (b"a%20b", "a%20b"),
        (b"a%2", None),
        (b"a b", None),
        (b"a/b", None),
        (b"user@gpu1", None),
        (b"", None),
        (b"x" * 512, "x" * 512),
        (b"x" * 513, None),
    ],
)
def test_a_host_is_a_name_or_address_with_an_optional_port(value: bytes, host: str | None) -> None:
    assert host_of(value) == host


@pytest.mark.parametrize(
    ("lines", "is_other"),
    [
        (b"OPTIONS * RTSP/1.0\r\n", True),
        (b"SOURCE /live ICE/1.0\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPLAY x RTSP/2.0\r\n", True),
        (b"GET / HTTP/1.1\r\n", False),
        (b"GET / RTSP/1.0 HTTP/1.1\r\n", False),
        (b"GET / HTTP/1.1\r\nX: a RTSP/1.0\r\n", False),
    ],
)
def test_rtsp_and_icecast_are_recognized_by_their_request_line(lines: bytes, is_other: bool) -> None:
    assert has_other_protocol(lines) is is_other


@pytest.mark.parametrize(
    ("version", "method", "target", "headers", "expected"),
    [
        ("1.1", b"GET", b"/gpu?detail=1", [HOST], (b"/gpu?detail=1", None)),
        ("1.1", b"GET", b"/", [(b"host", b"")], (b"/", None)),
        ("1.0", b"GET", b"/gpu", [], (b"/gpu", None)),
        ("1.1", b"OPTIONS", b"*", [HOST], (b"*", None)),
        ("1.1", b"GET", b"http://gpu1:8000/gpu", [HOST], (b"/gpu", b"gpu1:8000")),
        ("1.1", b"GET", b"HTTP://GPU1:8000?a=1", [HOST], (b"/?a=1", b"GPU1:8000")),
        ("1.0", b"GET", b"http://gpu1", [], (b"/", b"gpu1")),
        ("1.1", b"POST", b"/gpu", [HOST, (b"transfer-encoding", b"Chunked")], (b"/gpu", None)),
    ],
)
def test_the_path_and_the_host_are_read_from_the_target(
    version: str, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], expected: object
) -> None:
    assert checked_target(version, method, target, headers) == expected


@pytest.mark.parametrize(
    ("version", "method", "target", "headers", "sentence"),
    [
        ("2.0", b"GET", b"/", [HOST], "HTTP/2.0 is not supported"),
        ("1.1", b"GET", b"/", [HOST, HOST], "There is more than one Host header"),
        ("1.1", b"GET", b"/", [], "The Host header is missing"),
        ("1.1", b"GET", b"/", [(b"host", b"a b")], "The Host header is not a host"),
        ("1.0", b"GET", b"/", [(b"transfer-encoding", b"chunked")], "HTTP/1.0 has no Transfer-Encoding"),
        (
            "1.1",
            b"GET",
            b"/",
            [HOST, (b"transfer-encoding", b"gzip, chunked")],
            "The Transfer-Encoding is not",
        ),
        (
            "1.1",
            b"GET",
            b"/",
            [HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
            "The Transfer-Encoding is not",
        ),
        ("1.1", b"GET", b"/#top", [HOST], "The request target is not a path"),
        ("1.1", b"GET", b"gpu", [HOST], "The request target is not a path"),
        ("1.1", b"GET", b"*", [HOST], "The request target is not a path"),
        ("1.1", b"OPTIONS", b"gpu", [HOST], "The request target is not a path"),
        ("1.1", b"CONNECT", b"/gpu", [HOST], "The request target is not a path"),
        ("1.1", b"GET", b"http://a b/", [HOST], "The request target is not a path"),
        ("1.1", b"GET", b"http://gpu2/gpu", [HOST], "The request target names another host"),
    ],
)
def test_an_invalid_request_is_refused_with_one_sentence(
    version: str, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], sentence: str
) -> None:
    with pytest.raises(InvalidHead, match=f"^{sentence}"):
        checked_target(version, method, target, headers)
