"""Checks that the parser does not make: version, target and Host (RFC 9112, 2.3 and 3.2)."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# uri-host of RFC 3986 and a port: no user, no path, no blank, and where a colon is, a number behind it.
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::([0-9]{1,5}))?")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]+)(.*)")
# The parser accepts their request lines too, as HTTP of the same version, without reporting it.
_OTHER_PROTOCOL = re.compile(rb"(?:^|\n)[A-Z_-]+ [^\r\n]* (?:RTSP|ICE)/[0-9]\.[0-9]\r\n")

MAX_HOST = 512  # bytes: every DNS name and address is far shorter


class InvalidHead(Exception):
    """The head is no HTTP/1.1 or HTTP/1.0; one sentence says why."""


@lru_cache(maxsize=64)  # nearly all requests have one of a few hosts
def host_of(value: bytes) -> str | None:
    """The host in `host[:port]`, in lower case, an IPv6 address in brackets and in its shortest form.

    None: the value is something else.
    """
    found = _HOST.fullmatch(value) if len(value) <= MAX_HOST else None
    if found is None or int(found[2] or 0) > 65535:
        return None
    host = found[1].decode("ascii").lower()
    if not host.startswith("["):
        return host
    try:
        return f"[{IPv6Address(host[1:-1])}]"
    except AddressValueError:
        return None


def has_other_protocol(lines: bytes) -> bool:
    """Whether one of these lines is the request line of RTSP or Icecast."""
    return (b" RTSP/" in lines or b" ICE/" in lines) and _OTHER_PROTOCOL.search(lines) is not None


def checked_target(
    version: str, method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> tuple[bytes, bytes | None]:
    """The target in origin form (path and query, or *), and the authority that stood before it.

    Raises InvalidHead.
    """
    if version not in ("1.1", "1.0"):
        raise InvalidHead(f"HTTP/{version} is not supported; accepted: HTTP/1.1 and HTTP/1.0")
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1:
        raise InvalidHead("There is more than one Host header; accepted: one")
    if not hosts and version == "1.1":
        raise InvalidHead("The Host header is missing, which HTTP/1.1 requires")
    # A client that does not know the host's name has to send an empty one.
    if any(host and host_of(host) is None for host in hosts):
        raise InvalidHead("The Host header is not a host; accepted: host or host:port")
    _check_coding(version, headers)
    return _origin_form(method, target, hosts)


def _check_coding(version: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Check that the end of the body is given in a way that every program reads alike."""
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and version == "1.0":
        raise InvalidHead("HTTP/1.0 has no Transfer-Encoding")
    if codings and codings != [b"chunked"]:
        raise InvalidHead("The Transfer-Encoding is not known; accepted: chunked")


def _origin_form(method: bytes, target: bytes, hosts: list[bytes]) -> tuple[bytes, bytes | None]:
    absolute = None if target.startswith(b"/") else _ABSOLUTE.fullmatch(target)
    if b"#" in target or method == b"CONNECT":
        known = False
    elif absolute:
        known = host_of(absolute[1]) is not None
    else:
        known = target.startswith(b"/") or (target == b"*" and method == b"OPTIONS")
    if not known:
        raise InvalidHead("The request target is not a path; accepted: /path and http://host/path")
    if not absolute:
        return target, None
    # By RFC 9112 the target counts; if both differ, a proxy may have checked only the Host header.
    if any(host.lower() != absolute[1].lower() for host in hosts):
        raise InvalidHead("The request target names another host than the Host header")
    path = absolute[2]
    return (path if path.startswith(b"/") else b"/" + path), absolute[1]
