"""What a client accepts, by RFC 9110: lists of names with a quality, of which 0 is a refusal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_ELEMENTS = 64  # of a header that are looked at; a browser sends a dozen
MAX_PARAMETERS = 8  # of an element
_TAG = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')
_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


def best_type(accept: str, offered: Sequence[str]) -> str:
    """The one of the `offered` media types (`type/subtype`) that a client likes best.

    `offered` are the plainest first. Of types that the client names and likes alike it gets the last, of
    those that it merely does not refuse the first; and the first, too, where it refuses all.
    """
    ranges = dict(_elements(accept))
    if not ranges:
        return offered[0]

    def liking(place: int) -> tuple[float, bool, int]:
        media_type = offered[place]
        for name in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
            if name in ranges:
                is_named = name == media_type and ranges[name] > 0
                return ranges[name], is_named, place if is_named else -place
        return 0.0, False, -place

    return offered[max(range(len(offered)), key=liking)]


def names_type(accept: str, media_type: str) -> bool:
    """Whether a client asks for this very type, and not merely for any."""
    return bool(dict(_elements(accept)).get(media_type))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip, and does not rather have the plain bytes."""
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
    """Names in lower case and their quality, the best of each last; what is malformed is left out."""
    found = []
    for element in header.lower().split(",", MAX_ELEMENTS)[:MAX_ELEMENTS]:
        name, *parameters = (part.strip() for part in element.split(";", MAX_PARAMETERS))
        qualities = [value[2:].strip() for value in parameters if value.startswith("q=")]
        quality = qualities[0] if qualities else "1"
        if name and _QUALITY.fullmatch(quality):
            found.append((name, float(quality)))
    return iter(sorted(found, key=lambda element: element[1]))
