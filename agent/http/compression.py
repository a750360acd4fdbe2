"""gzip for those who take it."""

from __future__ import annotations

import gzip
from functools import lru_cache
from typing import TYPE_CHECKING

from agent.http.negotiation import accepts_gzip

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVEL = 5  # as small as it gets to within a few percent, in half of the time
TINY = 1024  # bytes: up to here an answer goes out in one packet as it is
QUICK = 64 * 1024  # bytes, which take about a millisecond; more is packed in a thread


def takes_gzip(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether to pack the answer to a request with these headers; asked anew with each request."""
    lines = [value for name, value in headers if name == b"accept-encoding"]
    return bool(lines) and _accepts_gzip(b",".join(lines))  # several are one list, by RFC 9110


@lru_cache(maxsize=64)  # nearly all requests say one of a few
def _accepts_gzip(accept_encoding: bytes) -> bool:
    return accepts_gzip(accept_encoding.decode("latin-1"))


def packed(body: bytes) -> bytes:
    """The same bytes for the same body, at any time."""
    return gzip.compress(body, LEVEL, mtime=0)
