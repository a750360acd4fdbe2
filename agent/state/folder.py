"""STATE_DIR: whether it may be used, and the lock that lets only one agent use it."""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOUNTS = "/proc/self/mountinfo"
# File systems on which the shared memory of SQLite's WAL does not work, because other hosts write the same
# files.
NETWORK_FILE_SYSTEM = re.compile(
    r"9p|afs|beegfs(_nodev)?|ceph|cifs|coda|davfs2?|fhgfs|gfs2?|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|orangefs"
    r"|panfs|pvfs2|quobyte|smb3|smbfs|vboxsf|virtiofs|vmhgfs|weka|wekafs"
    # FUSE file systems: most are network file systems, and new ones appear. These exceptions are local.
    r"|fuse\.(?!fuse-overlayfs$).+"
)
# Seconds that a start waits for the previous agent to release the folder: it ends within two of its signal.
PATIENCE = 4.0
PAUSE = 0.05
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")


class Refused(Exception):
    """The folder must not be used; the text continues a sentence that starts with its path."""


class StateFolder:
    """The folder, which only this process uses from `take` to `release`."""

    def __init__(
        self,
        path: str,
        *,
        mounts: str = MOUNTS,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(path)
        self._mounts = mounts
        self._patience = patience
        self._clock = clock
        self._descriptor: int | None = None

    def take(self) -> None:
        """Make it if necessary, and lock it. Raises Refused, and OSError if it cannot be used now.

        The lock is on the folder itself: it needs no file, ends with the process, and works on a read-only
        file system.
        """
        if self._descriptor is not None:
            return
        self.path.mkdir(mode=0o700, exist_ok=True)
        kind = file_system(str(self.path), self._mounts)
        if kind is not None and NETWORK_FILE_SYSTEM.fullmatch(kind):
            raise Refused(f"is on a network file system ({kind}), where SQLite cannot share its memory")
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            self._lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _lock(self, descriptor: int) -> None:
        deadline = self._clock() + self._patience
        while not _lock(descriptor):
            if self._clock() >= deadline:
                raise Refused("is in use by another agent")
            time.sleep(PAUSE)

    @property
    def is_gone(self) -> bool:
        """Whether the path leads to another folder by now, or to none."""
        try:
            return self._descriptor is None or not os.path.samestat(
                os.fstat(self._descriptor),
                os.stat(self.path),  # noqa: PTH116  the same call twice
            )
        except OSError:
            return True

    def release(self) -> None:
        """Release the lock for another agent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()


def file_system(path: str, mounts: str = MOUNTS) -> str | None:
    """The type of the file system at a path, from mountinfo, proc(5); None: unknown."""
    try:
        lines = Path(mounts).read_bytes().splitlines()
    except OSError:
        return None
    return parse_mountinfo(lines, os.path.realpath(path))


def parse_mountinfo(lines: list[bytes], path: str) -> str | None:
    """Of the mount that the path is on: the longest mount point above it; of two on one place the later."""
    longest, found = "", None
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields, kind = before.split(b" "), os.fsdecode(after.split(b" ")[0])
        if len(fields) < 6 or not kind:
            continue
        # A blank is written as \\040, and so are other characters that would part the fields.
        point = os.fsdecode(_OCTAL.sub(lambda code: bytes([int(code[1], 8)]), fields[4]))
        if f"{path}/".startswith(f"{point.rstrip('/')}/") and len(point) >= len(longest):
            longest, found = point, kind
    return found


def _lock(descriptor: int) -> bool:
    """Whether no other process holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
