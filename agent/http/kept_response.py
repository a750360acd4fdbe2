"""A finished answer, which can be sent any number of times: plain, compressed, or as "not modified"."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from agent.http import compression
from agent.http.negotiation import names_tag
from agent.readings.threads import NoThread, in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anyio import CapacityLimiter
    from starlette.types import Message, Send

    Headers = Sequence[tuple[bytes, bytes]]

# An answer longer than this is sent in portions, so that the server holds little of it for a slow reader.
PORTION = 256 * 1024

_BODY_HEADERS = frozenset({b"content-type", b"content-length", b"content-encoding"})


@dataclass
class KeptResponse:
    """A finished answer.

    `tag` is its entity tag, with which a client revalidates its copy; empty: it has none.
    """

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    tag: bytes = b""
    _compressed: KeptResponse | None = None
    _compressing: asyncio.Future[KeptResponse] | None = None

    @property
    def size(self) -> int:
        """The memory that it takes, in bytes."""
        return len(self.body) + (len(self._compressed.body) if self._compressed else 0)

    def compress_at_once(self) -> None:
        """Compress it and set its tag at once: for content that is complete and never changes."""
        self.set_tag()
        if self._is_compressible:
            _add_to_list(self.headers, b"vary", b"Accept-Encoding")
            self._compressed = self._make_compressed()

    async def record(self, message: Message) -> None:
        """Take what an app sends."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if not message.get("more_body", False) and self._is_compressible:
                _add_to_list(self.headers, b"vary", b"Accept-Encoding")

    def set_tag(self) -> None:
        """Set the tag, which depends on the body alone; an answer that must not be stored needs none."""
        if not any(name == b"cache-control" and b"no-store" in value for name, value in self.headers):
            self.tag = b'W/"%s"' % sha256(self.body).hexdigest()[:32].encode()
            self.headers = [*_without(self.headers, {b"etag"}), (b"etag", self.tag)]

    def form_for(self, request: Headers) -> KeptResponse | None:
        """This answer in the form for these request headers; None: `compressed` has to make it first."""
        if self.tag and names_tag(request, self.tag):
            return KeptResponse(304, _without(self.headers, _BODY_HEADERS))
        if self._is_compressible and compression.takes_gzip(request):
            return self._compressed
        return self

    async def send(self, send: Send) -> None:
        """Send it, each time as a new message, because outer middleware may modify it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        start = 0
        while len(self.body) - start > PORTION:
            portion = self.body[start : start + PORTION]
            await send({"type": "http.response.body", "body": portion, "more_body": True})
            start += PORTION
        await send({"type": "http.response.body", "body": self.body[start:]})

    @property
    def _is_compressible(self) -> bool:
        return len(self.body) > compression.TINY

    async def compressed(self, limiter: CapacityLimiter) -> KeptResponse:
        """The compressed form, made once for all clients; a long body is compressed in a thread.

        Without a thread for it, the form as it is.
        """
        if len(self.body) <= compression.QUICK:
            self._compressed = self._make_compressed()
            return self._compressed
        if self._compressing is None:
            self._compressing = asyncio.ensure_future(in_thread(self._make_compressed, limiter=limiter))
            self._compressing.add_done_callback(self._keep_compressed)
        try:
            return await asyncio.shield(self._compressing)  # other clients wait for it too
        except NoThread:
            return self

    def _keep_compressed(self, compressing: asyncio.Future[KeptResponse]) -> None:
        """If no thread was available, the next client tries again."""
        self._compressing = None
        if not compressing.cancelled() and compressing.exception() is None:
            self._compressed = compressing.result()

    def _make_compressed(self) -> KeptResponse:
        body = compression.compress(self.body)
        of_body = [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(body))]
        return KeptResponse(self.status, [*_without(self.headers, {b"content-length"}), *of_body], body)


def _without(headers: Headers, names: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    left_out = frozenset(names)
    return [(name, value) for name, value in headers if name not in left_out]


def _add_to_list(headers: list[tuple[bytes, bytes]], name: bytes, value: bytes) -> None:
    there = [old for known, old in headers if known == name]
    headers[:] = [*_without(headers, {name}), (name, b", ".join([*there, value]))]
