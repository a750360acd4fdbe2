"""The client of a request that a reverse proxy passes on, for the access log."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

# An IPv4 address or a bracketed IPv6 address, with or without a port; or an IPv6 address as it is.
_ENTRY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?|([0-9A-Fa-f:.]+)")

MAX_PROXIES = 32  # proxies between client and agent; only a client would send a longer list

LOCAL = "127.0.0.1", 0


class ForwardedFor:
    """Sets a request's client from X-Forwarded-For if a trusted proxy sent the request.

    Replaces uvicorn's own middleware, which takes any text for an address and does not know
    that ::ffff:192.0.2.1 is 192.0.2.1. `trusted` is what FORWARDED_ALLOW_IPS accepts.
    """

    def __init__(self, app: ASGIApp, *, trusted: Sequence[str], on_unix_socket: bool) -> None:
        """With `on_unix_socket`, a peer without an address is on this host; else it is unknown."""
        self._app = app
        self._nameless = LOCAL if on_unix_socket else None
        self._anybody = "*" in trusted
        self._networks = tuple(ip_network(entry) for entry in trusted if entry != "*")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (peer := scope["client"] or self._nameless):
            scope["client"] = self._client(peer, scope["headers"])
        await self._app(scope, receive, send)

    def _client(self, peer: tuple[str, int], headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, int]:
        """The nearest address that is not trusted, or the farthest; the peer if it is no address."""
        values = [value for name, value in headers if name == b"x-forwarded-for"]
        if not values or not self._trusts(_unmapped(ip_address(peer[0]))):
            return peer
        entries = b",".join(values).decode("latin-1").split(",")
        if self._anybody:
            return _parsed(entries[0]) or peer
        client = peer
        for entry in reversed(entries[-MAX_PROXIES:]):  # each proxy appends the address of its client
            parsed = _parsed(entry)
            if parsed is None:
                return peer
            client = parsed
            if not self._trusts(ip_address(client[0])):
                break
        return client

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return self._anybody or any(address in network for network in self._networks)


def _parsed(entry: str) -> tuple[str, int] | None:
    """Address and port (0: not given) of one entry; None: it is not an address."""
    found = _ENTRY.fullmatch(entry.strip(" \t"))
    if found is None:
        return None
    bracketed, plain, port, bare = found.groups()
    try:
        address = ip_address(bracketed or plain or bare)
    except ValueError:
        return None
    number = int(port or 0)
    return None if number > 65535 else (str(_unmapped(address)), number)


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4-mapped IPv6 address, as a socket on :: reports it, as an IPv4 address."""
    return getattr(address, "ipv4_mapped", None) or address
