"""Opens the file: its mode, its version, and how an unreadable one is set aside."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.state.schema import ForeignFile, NewerFile, migrate, version_of

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

MODE = 0o600
BUSY_SECONDS = 1.0  # seconds that a connection waits for another transaction
WAL_BYTES = 4 * 1024**2  # of the write-ahead log; a longer one is truncated after a checkpoint


class Damaged(sqlite3.DatabaseError):
    """SQLite reads the file, and finds errors in it."""


def open_file(path: Path) -> sqlite3.Connection:
    """A connection for writing; a damaged or newer file is set aside, and a new one is created.

    Raises OSError and sqlite3.Error.
    """
    try:
        return _open(path)
    except (NewerFile, ForeignFile) as error:
        put_aside(path, str(error))
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        put_aside(path, f"It is damaged ({error})")
    return _open(path)


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary error code; 0: the error is not from SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def identity(path: Path) -> tuple[int, int] | None:
    """The identity of the file with this name; None: there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the error means that the file is damaged."""
    return isinstance(error, Damaged) or code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def put_aside(path: Path, why: str) -> None:
    """Set the file and its companions aside by renaming them. It is never deleted."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.aside-{stamp}")
    while aside.exists():
        aside = aside.with_name(f"{aside.name}-again")
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)  # made anew from the write-ahead log
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        log.rename(aside.with_name(f"{aside.name}-wal"))
    else:
        log.unlink(missing_ok=True)
    path.rename(aside)
    logger.warning(
        "The agent cannot use the file in STATE_DIR. %s; it is kept as %s, and a new file begins", why, aside
    )


def _open(path: Path) -> sqlite3.Connection:
    # SQLite would make it as the umask has it; the files beside it get the mode of this one. An old one is
    # not opened here: to close it would take away the locks that a reader in this process has on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, MODE))
    _check_version(path)
    path.chmod(MODE)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _prepare(connection)
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(path: Path) -> None:
    """Check that the file is the agent's, before anything in it is changed. Raises NewerFile, ForeignFile."""
    with suppress(sqlite3.OperationalError):  # whoever opens it to write gets the same error, or a fuller one
        connection = open_to_read(path)
        try:
            version_of(connection)
        finally:
            connection.close()


def _prepare(connection: sqlite3.Connection) -> None:
    # Written data survive a kill at once, and a loss of power after some minutes.
    connection.execute("PRAGMA synchronous = NORMAL")
    # Deleted data are overwritten, because they may be about users.
    connection.execute("PRAGMA secure_delete = ON")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError(f"its journal is {mode}, and a write-ahead log is not possible")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if sound != "ok":
        raise Damaged(sound)
