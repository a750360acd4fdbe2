"""A finished answer, which can be sent any number of times: plain, compressed, or as "not modified"."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from anyio import to_thread

from agent.http import compression
from agent.http.negotiation import names_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anyio import CapacityLimiter
    from starlette.types import Message, Send

    Headers = Sequence[tuple[bytes, bytes]]

# An answer longer than this is sent in portions, so that the server holds little of it for a slow reader.
PORTION = 256 * 1024

_OF_A_BODY = frozenset({b"content-type", b"content-length", b"content-encoding"})


@dataclass
class KeptResponse:
    """A finished answer.

    `tag` is its entity tag, with which a client revalidates its copy; empty: it has none.
    """

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    tag: bytes = b""
    _packed: KeptResponse | None = None
    _packing: asyncio.Future[KeptResponse] | None = None

    @property
    def size(self) -> int:
        """The memory that it takes, in bytes."""
        return len(self.body) + (len(self._packed.body) if self._packed else 0)

    def pack(self) -> None:
        """Compress it and set its tag at once: for content that is complete and never changes."""
        self.set_tag()
        if self._can_be_packed:
            _add_to_list(self.headers, b"vary", b"Accept-Encoding")
            self._packed = self._made_packed()

    async def record(self, message: Message) -> None:
        """Take what an app sends."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if not message.get("more_body", False) and self._can_be_packed:
                _add_to_list(self.headers, b"vary", b"Accept-Encoding")

    def set_tag(self) -> None:
        """Set the tag, which depends on the body alone; an answer that must not be stored needs none."""
        if not any(name == b"cache-control" and b"no-store" in value for name, value in self.headers):
            self.tag = b'W/"%s"' % sha256(self.body).hexdigest()[:32].encode()
            self.headers = [*_without(self.headers, {b"etag"}), (b"etag", self.tag)]

    def suited(self, request: Headers) -> KeptResponse | None:
        """This answer in the form that suits these request headers; None: `packed` has to make it first."""
        if self.tag and names_tag(request, self.tag):
            return KeptResponse(304, _without(self.headers, _OF_A_BODY))
        if self._can_be_packed and compression.takes_gzip(request):
            return self._packed
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
    def _can_be_packed(self) -> bool:
        return len(self.body) > compression.TINY

    async def packed(self, limiter: CapacityLimiter) -> KeptResponse:
        """The compressed form, made once for all clients; a long body is compressed in a thread."""
        if len(self.body) <= compression.QUICK:
            self._packed = self._made_packed()
            return self._packed
        if self._packing is None:
            self._packing = asyncio.ensure_future(to_thread.run_sync(self._made_packed, limiter=limiter))
            self._packing.add_done_callback(self._keep_packed)
        return await asyncio.shield(self._packing)  # other clients wait for it too

    def _keep_packed(self, packing: asyncio.Future[KeptResponse]) -> None:
        """If no thread was available, the next client tries again."""
        self._packing = None
        if not packing.cancelled() and packing.exception() is None:
            self._packed = packing.result()

    def _made_packed(self) -> KeptResponse:
        body = compression.packed(self.body)
        of_body = [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(body))]
        return KeptResponse(self.status, [*_without(self.headers, {b"content-length"}), *of_body], body)


def _without(headers: Headers, names: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    left_out = frozenset(names)
    return [(name, value) for name, value in headers if name not in left_out]


def _add_to_list(headers: list[tuple[bytes, bytes]], name: bytes, value: bytes) -> None:
    there = [old for known, old in headers if known == name]
    headers[:] = [*_without(headers, {name}), (name, b", ".join([*there, value]))]
