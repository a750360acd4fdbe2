"""Whether a file has changed, without reading it."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

CHECK_INTERVAL = 5.0  # seconds between two checks whether a file has changed
SETTLED_AFTER = 2.0  # seconds; two writes within one tick of a file system's clock have one mtime


class Stamp(NamedTuple):
    """Values that change when the content of a file changes, or when the path leads to another file."""

    mtime_ns: int
    size: int
    inode: int
    device: int

    def is_settled(self, now: float) -> bool:
        """Whether every later write will give another stamp. `now` is Unix time in seconds."""
        return self.mtime_ns / 1e9 < now - SETTLED_AFTER


def stamp_at(path: str) -> Stamp:
    """The stamp of the regular file that the path leads to.

    Raises ValueError, which says why there is none.
    """
    try:
        return stamp_of(os.stat(path))  # noqa: PTH116  (the path as it was given)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error


def stamp_of(found: os.stat_result) -> Stamp:
    """The stamp of a file from its stat. Raises ValueError if it is not a regular file."""
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("is not a regular file")
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
