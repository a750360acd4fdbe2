"""Small PNG files: a browser writes true colour, but the picture of a page needs few colours."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
_SAMPLES = {2: 3, 6: 4}  # samples of a pixel, by colour type: red, green, blue, and opacity


def with_palette(png: bytes) -> bytes:
    """The same picture with only its 256 most frequent colours. Every other colour becomes the nearest one.

    The PNG must have 8 bits and no interlacing, as browsers write it. Opacity is dropped.
    """
    chunks = [*_chunks(png)]
    width, height, depth, kind, *_, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth != 8 or kind not in _SAMPLES or interlaced:
        raise ValueError(f"A PNG with {depth} bits and colour type {kind} cannot be made small here.")
    size = _SAMPLES[kind]
    data = zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT"))
    rows = [
        [bytes(row[at : at + 3]) for at in range(0, width * size, size)]
        for row in _unfiltered(data, width * size, size)
    ]
    counted = Counter(colour for row in rows for colour in row)
    palette = [colour for colour, _ in counted.most_common(COLOURS)]
    place = {colour: number for number, colour in enumerate(palette)}
    place |= {colour: _nearest(colour, palette) for colour in counted.keys() - place.keys()}
    lines = b"".join(b"\0" + bytes(map(place.__getitem__, row)) for row in rows)
    return SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", b"".join(palette)),
            (b"IDAT", zlib.compress(lines, 9)),
            (b"IEND", b""),
        )
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _unfiltered(data: bytes, length: int, size: int) -> Iterator[bytearray]:
    """The rows. PNG 9.2: each byte is stored as its difference from the bytes on its left and above."""
    above = bytearray(length)
    for start in range(0, len(data), length + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + length])
        for at in range(length if kind else 0):
            left = row[at - size] if at >= size else 0
            if kind == 1:
                guess = left
            elif kind == 2:
                guess = above[at]
            elif kind == 3:
                guess = (left + above[at]) // 2
            else:
                guess = _paeth(left, above[at], above[at - size] if at >= size else 0)
            row[at] = (row[at] + guess) & 255
        yield row
        above = row


def _paeth(left: int, above: int, corner: int) -> int:
    by_left, by_above, by_corner = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
    if by_left <= by_above and by_left <= by_corner:
        return left
    return above if by_above <= by_corner else corner


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    distances = [
        sum((one - other) ** 2 for one, other in zip(colour, known, strict=True)) for known in palette
    ]
    return distances.index(min(distances))
