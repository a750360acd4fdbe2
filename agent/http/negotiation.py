"""What a client accepts, by RFC 9110: lists of names with a quality; a quality of 0 is a refusal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_ELEMENTS = 64  # elements of a header that are read; a browser sends a dozen
MAX_PARAMETERS = 8  # of an element that are read
_TAG = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')
_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


def best_type(accept: str, offered: Sequence[str]) -> str:
    """The one of the `offered` media types (`type/subtype`) that a client prefers.

    `offered` starts with the simplest type. Of the types that the client names with the same quality, the
    last is chosen; of those that it only accepts by a wildcard, the first; and if it refuses all, the first
    too.
    """
    ranges = dict(_elements(accept))
    if not ranges:
        return offered[0]

    def preference(place: int) -> tuple[float, bool, int]:
        media_type = offered[place]
        for name in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
            if name in ranges:
                is_named = name == media_type and ranges[name] > 0
                return ranges[name], is_named, place if is_named else -place
        return 0.0, False, -place

    return offered[max(range(len(offered)), key=preference)]


def names_type(accept: str, media_type: str) -> bool:
    """Whether a client names this type explicitly, not only by a wildcard."""
    return bool(dict(_elements(accept)).get(media_type))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client accepts gzip and does not prefer the plain bytes."""
    codings = dict(_elements(accept_encoding))
    gzip = codings.get("gzip", codings.get("x-gzip", codings.get("*")))
    if not gzip:
        return False
    return gzip >= codings.get("identity", gzip)


def names_tag(headers: Iterable[tuple[bytes, bytes]], tag: bytes) -> bool:
    """Whether If-None-Match has this entity tag, weak or strong: the client already has this answer."""
    lines = [value for name, value in headers if name == b"if-none-match"]
    if not lines:
        return False
    given = b",".join(lines)
    return given.strip() == b"*" or tag.removeprefix(b"W/") in _TAG.findall(given)


def _elements(header: str) -> Iterator[tuple[str, float]]:
    """Names in lower case with their quality, the best of each last; malformed elements are left out."""
    found = []
    for element in header.lower().split(",", MAX_ELEMENTS)[:MAX_ELEMENTS]:
        name, *parameters = (part.strip() for part in element.split(";", MAX_PARAMETERS))
        qualities = [value[2:].strip() for value in parameters if value.startswith("q=")]
        quality = qualities[0] if qualities else "1"
        if name and _QUALITY.fullmatch(quality):
            found.append((name, float(quality)))
    return iter(sorted(found, key=lambda element: element[1]))
