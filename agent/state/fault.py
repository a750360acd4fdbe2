"""Why the file cannot be written now, as one word and one sentence."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING

from agent.readings.state import StateFault, StateTrouble
from agent.state.file import code_of, is_damage
from agent.state.folder import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FAULT_OF_ERRNO: dict[int | None, StateFault] = {
    errno.ENOSPC: StateFault.FULL,
    errno.EDQUOT: StateFault.FULL,
    errno.EROFS: StateFault.READ_ONLY,
    errno.EACCES: StateFault.READ_ONLY,
    errno.EPERM: StateFault.READ_ONLY,
    errno.ENOENT: StateFault.GONE,
    errno.ENOTDIR: StateFault.GONE,
    errno.ESTALE: StateFault.GONE,
    errno.ENODEV: StateFault.GONE,
    errno.EIO: StateFault.GONE,
}
_FAULT_OF_SQLITE = {
    sqlite3.SQLITE_FULL: StateFault.FULL,
    sqlite3.SQLITE_READONLY: StateFault.READ_ONLY,
    sqlite3.SQLITE_PERM: StateFault.READ_ONLY,
    sqlite3.SQLITE_BUSY: StateFault.SLOW,
    sqlite3.SQLITE_LOCKED: StateFault.SLOW,
}
_WORDS = {
    StateFault.FULL: "has no space left",
    StateFault.READ_ONLY: "cannot be written by this user",
    StateFault.GONE: "is not there, or cannot be read",
    StateFault.SLOW: "does not answer in time",
    StateFault.REFUSED: "must not be used",
    StateFault.FAILED: "cannot be used",
}


def trouble(folder: Path, error: Exception) -> StateTrouble:
    """The trouble, from the error of a write."""
    fault = _fault(folder, error)
    why = str(error) if isinstance(error, Refused) else f"{_WORDS[fault]} ({_reason(error)})"
    return StateTrouble(fault, f"STATE_DIR {str(folder)!r} {why}")


def refused_rows(folder: Path, faults: Mapping[str, Exception]) -> StateTrouble:
    """The trouble if only rows of these subjects cannot be written, and are lost."""
    why = "; ".join(f"{name} ({type(error).__name__}: {error})" for name, error in faults.items())
    return StateTrouble(StateFault.FAILED, f"STATE_DIR {str(folder)!r} lacks {why}")


def _fault(folder: Path, error: Exception) -> StateFault:
    if isinstance(error, Refused):
        return StateFault.REFUSED
    if isinstance(error, OSError):
        return _fault_of_errno(error)
    if not isinstance(error, sqlite3.Error) or is_damage(error):
        return StateFault.FAILED
    return _FAULT_OF_SQLITE.get(code_of(error)) or _fault_of_folder(folder)


def _fault_of_folder(folder: Path) -> StateFault:
    """Checks the folder, because SQLite's error is often only that it cannot open or write."""
    try:
        space = os.statvfs(folder)
    except OSError as error:
        return _fault_of_errno(error)
    if not os.access(folder, os.W_OK | os.X_OK):  # nobody may write on a read-only file system
        return StateFault.READ_ONLY
    return StateFault.FULL if is_full(space) else StateFault.FAILED


def _fault_of_errno(error: OSError) -> StateFault:
    return _FAULT_OF_ERRNO.get(error.errno, StateFault.FAILED)


def is_full(space: os.statvfs_result) -> bool:
    """Whether no block or no inode is free. Some file systems, such as Btrfs, do not number their inodes."""
    return space.f_bavail == 0 or (space.f_files > 0 and space.f_favail == 0)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
