"""Whether a file has changed, without reading it."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

SETTLED_AFTER = 2.0  # seconds; two writes within one tick of a file system's clock have one mtime


class Stamp(NamedTuple):
    """What changes with the content of a file, or with the file that a path leads to."""

    mtime_ns: int
    size: int
    inode: int
    device: int

    def is_settled(self, now: float) -> bool:
        """Whether a later write has another stamp. `now` is Unix time in seconds."""
        return self.mtime_ns / 1e9 < now - SETTLED_AFTER


def stamp_at(path: str) -> Stamp:
    """The stamp of the regular file that the path leads to. Raises ValueError that says why there is none."""
    try:
        return stamp_of(os.stat(path))  # noqa: PTH116  (the path as it was given)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error


def stamp_of(found: os.stat_result) -> Stamp:
    """Raises ValueError for what is not a regular file."""
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("is not a regular file")
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
