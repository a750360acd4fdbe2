"""What uvicorn's cycle, which writes the answer to one request, does not do by itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)


class UnchunkedCycle(RequestResponseCycle):
    """An answer in HTTP/1.0, which knows no chunks: the end of the connection is the end of the body."""

    async def send(self, message: Any) -> None:  # uvicorn gives its type no public name
        self.chunked_encoding = False
        if message["type"] == "http.response.body":
            self.expected_content_length = len(message.get("body", b""))  # whatever comes was expected
        await super().send(message)


class RepeatedCycle(RequestResponseCycle):
    """The answer to a request that comes again: its header, too, has mostly been sent before."""

    async def send(self, message: Any) -> None:
        known = None
        if message["type"] == "http.response.start" and self._is_plain():
            known = known_header(message["status"], (*self.default_headers, *message.get("headers", ())))
        if known is None:
            await super().send(message)
            return
        header, self.expected_content_length = known
        self.response_started = True
        self.chunked_encoding = False
        self.transport.write(header)

    def _is_plain(self) -> bool:
        """Whether uvicorn would do nothing but write this header."""
        holds = self.response_started or self.disconnected or self.flow.write_paused
        return self.keep_alive and not (holds or self.access_log)


@lru_cache(maxsize=64)
def known_header(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, int] | None:
    """As uvicorn checks and writes it, and the length of the body. None: leave it to uvicorn."""
    lines = [(name.lower(), value) for name, value in headers]
    lengths = [value for name, value in lines if name == b"content-length" and value.isdigit()]
    if len(lengths) != 1 or any(name in (b"connection", b"transfer-encoding") for name, _ in lines):
        return None
    if any(HEADER_RE.search(name) or HEADER_VALUE_RE.search(value) for name, value in lines):
        return None
    return STATUS_LINE[status] + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n", int(lengths[0])
