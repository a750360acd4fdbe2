"""Requests as exact bytes, which a client library would normalize first, and checks of an error envelope."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx

DEADLINE = 10.0  # seconds until a test gives up
A_TOKEN = "t0ken"  # noqa: S105  opens nothing but the agents of these tests


@dataclass
class Reply:
    """An answer as it came over the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return error_of(self.status, self.body)


def exchange(url: str, request: bytes) -> Reply:
    """Send these bytes to the server of `url` and read until it closes the connection."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=DEADLINE) as client:
        client.sendall(request)
        received = b""
        end = time.monotonic() + DEADLINE
        while more := client.recv(65536):
            received += more
            assert time.monotonic() < end, f"an answer without end: {received[:500]!r}"
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Reply(int(status_line.split()[1]), {name.lower(): headers[name] for name in headers}, body)


def request(url: str, target: bytes, *header_lines: bytes, method: bytes = b"GET") -> Reply:
    """One request with exactly this target and these header lines, on its own connection."""
    head = [method + b" " + target + b" HTTP/1.1", b"Host: agent", b"Connection: close", *header_lines]
    return exchange(url, b"\r\n".join([*head, b"", b""]))


def error_of(status: int, body: bytes) -> str:
    """The sentence in an error envelope, after checking that the rest is exactly as it must be."""
    envelope: dict[str, Any] = json.loads(body)
    assert list(envelope) == ["code", "data", "error"], f"{status}: {body!r}"
    assert {401: 401}.get(status, 1 if status < 500 else 2) == envelope["code"]
    assert envelope["data"] is None
    error = envelope["error"]
    assert isinstance(error, str)
    assert len(error) > len("Not Found"), "the error is too short"
    assert "Traceback" not in error
    return error


def error_in(response: httpx.Response) -> str:
    """The sentence in an error envelope, checked like in `error_of`."""
    assert response.headers["content-type"] == "application/json"
    return error_of(response.status_code, response.content)
