"""Why the file cannot be written: the word and the sentence for each error."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from agent.readings.state import StateFault
from agent.state.fault import is_full, refused_rows, trouble
from agent.state.file import Damaged
from agent.state.folder import Refused


def of_sqlite(code: int, text: str = "an error") -> sqlite3.OperationalError:
    """An error with one of SQLite's codes."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "fault", "said"),
    [
        (Refused("is in use by another agent"), StateFault.REFUSED, "is in use by another agent"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            StateFault.FULL,
            "has no space left (No space left on device)",
        ),
        (
            OSError(errno.EROFS, "Read-only file system"),
            StateFault.READ_ONLY,
            "cannot be written by this user (Read-only file system)",
        ),
        (
            OSError(errno.ESTALE, "Stale file handle"),
            StateFault.GONE,
            "is not there, or cannot be read (Stale file handle)",
        ),
        (OSError("without a number"), StateFault.FAILED, "cannot be used (without a number)"),
        (OSError(), StateFault.FAILED, "cannot be used (OSError)"),
        (KeyError("a"), StateFault.FAILED, "cannot be used ('a')"),
        (of_sqlite(sqlite3.SQLITE_FULL, "disk is full"), StateFault.FULL, "has no space left (disk is full)"),
        (
            of_sqlite(sqlite3.SQLITE_READONLY_DBMOVED, "moved"),
            StateFault.READ_ONLY,
            "cannot be written by this user (moved)",
        ),
        (of_sqlite(sqlite3.SQLITE_PERM), StateFault.READ_ONLY, "cannot be written by this user (an error)"),
        (
            of_sqlite(sqlite3.SQLITE_BUSY, "locked"),
            StateFault.SLOW,
            "does not answer in time (locked)",
        ),
        (of_sqlite(sqlite3.SQLITE_LOCKED_VTAB), StateFault.SLOW, "does not answer in time (an error)"),
        (of_sqlite(sqlite3.SQLITE_CANTOPEN), StateFault.FAILED, "cannot be used (an error)"),
    ],
    ids=repr,
)
def test_each_error_is_a_word_and_a_sentence(
    tmp_path: Path, error: Exception, fault: StateFault, said: str
) -> None:
    assert trouble(tmp_path, error) == (fault, f"STATE_DIR {str(tmp_path)!r} {said}")


def test_an_unclear_error_is_explained_by_the_condition_of_the_folder(tmp_path: Path) -> None:
    unclear = of_sqlite(sqlite3.SQLITE_CANTOPEN)
    assert trouble(tmp_path / "none", unclear).fault == StateFault.GONE
    # Not even root may make a file there.
    assert trouble(Path("/proc/sys/kernel"), unclear).fault == StateFault.READ_ONLY


def test_a_damaged_file_is_not_explained_by_the_condition_of_the_folder(tmp_path: Path) -> None:
    for error in (Damaged("a page is missing"), of_sqlite(sqlite3.SQLITE_CORRUPT)):
        assert trouble(tmp_path / "none", error).fault == StateFault.FAILED


@pytest.mark.parametrize(
    ("blocks", "inodes", "free_inodes", "full"),
    [
        pytest.param(1, 9, 1, False, id="the last block and the last inode"),
        pytest.param(0, 9, 1, True, id="no block"),
        pytest.param(1, 9, 0, True, id="no inode"),
        pytest.param(1, 1, 0, True, id="no inode but that of the folder"),
        pytest.param(1, 0, 0, False, id="inodes without a number"),
    ],
)
def test_a_file_system_without_a_free_block_or_inode_is_full(
    blocks: int, inodes: int, free_inodes: int, full: bool
) -> None:
    sizes = (4096, 4096, 100, 50, blocks)
    assert is_full(os.statvfs_result((*sizes, inodes, 50, free_inodes, 0, 255))) is full


def test_rows_that_cannot_be_written_are_named_with_the_reason(tmp_path: Path) -> None:
    found = refused_rows(tmp_path, {"idle": KeyError("a"), "names": ValueError("b")})
    assert found == (
        StateFault.FAILED,
        f"STATE_DIR {str(tmp_path)!r} lacks idle (KeyError: 'a'); names (ValueError: b)",
    )
