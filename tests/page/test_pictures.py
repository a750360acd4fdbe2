"""The pictures of the page are small, and made by `tests.page.pictures`."""

from __future__ import annotations

import struct
import zlib

import pytest

from tests.page.pictures import DOWN, FOLDER, HOSTS, MAX_BYTES, PICTURES
from tests.support.png import SIGNATURE, with_palette

RED, GREEN, BLUE = b"\xff\0\0", b"\0\xff\0", b"\0\0\xff"


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(kind: int, width: int, height: int, lines: bytes, *more: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = [chunk(b"IHDR", head), *more, chunk(b"IDAT", zlib.compress(lines, 9)), chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(chunks)


def test_every_picture_is_made_by_the_program_and_is_small() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {one.file for one in PICTURES}
    assert max(path.stat().st_size for path in FOLDER.iterdir()) <= MAX_BYTES
    assert {one.host for one in PICTURES} <= {"", *HOSTS}
    assert DOWN not in HOSTS


@pytest.mark.parametrize(
    "lines",
    [
        b"\0" + RED + GREEN + b"\0" + RED + BLUE,
        b"\1" + RED + b"\x01\xff\0" + b"\2\0\0\0" + b"\0\x01\xff",
        b"\3" + RED + b"\x81\xff\0" + b"\3\x80\0\0" + b"\x81\x81\xff",
        b"\4" + RED + b"\x01\xff\0" + b"\4\0\0\0" + b"\0\x01\xff",
    ],
    ids=["none", "by left and by above", "by both", "by the best of three"],
)
def test_a_picture_with_a_palette_looks_the_same(lines: bytes) -> None:
    small = with_palette(png(2, 2, 2, lines))

    assert small == png(3, 2, 2, b"\0\0\1\0\0\2", chunk(b"PLTE", RED + GREEN + BLUE))


def test_opacity_is_dropped_and_a_rare_colour_becomes_the_nearest() -> None:
    greys = b"".join(bytes([level, level, level, 255]) for level in range(256))
    lines = b"\0" + greys + bytes([7, 7, 8, 255]) + b"\0" + greys + greys[:4]
    small = with_palette(png(6, 257, 2, lines))

    pixels = zlib.decompress(small[small.index(b"IDAT") + 4 : -16])
    assert pixels[257] == pixels[8], "7, 7, 8 is shown as 7, 7, 7"
