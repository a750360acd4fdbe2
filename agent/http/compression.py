"""gzip for clients that accept it."""

from __future__ import annotations

import gzip
from functools import lru_cache
from typing import TYPE_CHECKING

from agent.http.negotiation import accepts_gzip

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVEL = 5  # within a few percent of the smallest size, in half of the time
TINY = 1024  # bytes: an answer up to this size fits into one packet uncompressed
QUICK = 64 * 1024  # bytes, which take about a millisecond; a longer answer is compressed in a thread


def takes_gzip(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether to compress the answer to a request with these headers."""
    accepted = None
    for name, value in headers:
        if name == b"accept-encoding":  # several lines are one list, by RFC 9110
            accepted = value if accepted is None else accepted + b"," + value
    return accepted is not None and _accepts_gzip(accepted)


@lru_cache(maxsize=64)  # nearly all requests have one of a few values
def _accepts_gzip(accept_encoding: bytes) -> bool:
    return accepts_gzip(accept_encoding.decode("latin-1"))


def compress(body: bytes) -> bytes:
    """The compressed body; the same body always gives the same bytes."""
    return gzip.compress(body, LEVEL, mtime=0)
