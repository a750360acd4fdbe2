"""Amounts of memory as text: 20GiB, 20000MiB, 1.5 TB, 21474836480."""

from __future__ import annotations

import math
import re
from fractions import Fraction

# Upper and lower case as in the standards: `gb` could be a gigabit, and `M` is ambiguous.
UNITS = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
MAX_BYTES = 2**63 - 1
ACCEPTED = f"whole bytes, or a number with {', '.join(UNITS)}, as in 20GiB"

# Bounded, because int() refuses thousands of digits with a message of its own.
_SIZE = re.compile(r"(?P<number>[0-9]{1,20}(?:\.[0-9]{1,9})?) ?(?P<unit>[A-Za-z]{0,3})")


def parse_bytes(text: str) -> int:
    """Bytes, rounded up to whole ones. Raises ValueError with what is accepted."""
    match = _SIZE.fullmatch(text.strip(" "))
    unit = match["unit"] or "B" if match else ""
    if match is None or unit not in UNITS or (unit == "B" and "." in match["number"]):
        raise ValueError(f"{text[:80]!r} is no amount of memory; accepted: {ACCEPTED}")
    size = math.ceil(Fraction(match["number"]) * UNITS[unit])
    if size > MAX_BYTES:
        raise ValueError(f"{text[:80]!r} is more memory than there can be; accepted: {ACCEPTED}")
    return size
