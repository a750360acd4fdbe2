"""Let one part of a reading fail without losing the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# What psutil raises: parts of /proc and /sys that are missing, forbidden, or not as its parsers expect.
UNREADABLE = (OSError, psutil.Error, ValueError, LookupError, NotImplementedError)


def attempt(read: Callable[[], T], otherwise: T) -> T:
    """A part of the reading, or a substitute where it cannot be read."""
    try:
        return read()
    except UNREADABLE:
        return otherwise
