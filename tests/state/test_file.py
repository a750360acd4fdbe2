"""The file: readable only by its owner; a damaged, newer or foreign file is set aside, never deleted."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

import pytest

from agent.state import names
from agent.state.file import open_file, open_to_read
from agent.state.forget import forget_users
from agent.state.schema import STEPS, VERSION, ForeignFile, NewerFile, migrate


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def make_file(path: Path) -> None:
    """Make a file with a GPU in it."""
    connection = open_file(path)
    connection.execute("INSERT INTO gpus (uuid) VALUES ('GPU-of-before')")
    connection.close()


def aside(path: Path) -> list[Path]:
    """The files that were set aside."""
    return [one for one in path.parent.iterdir() if ".aside-" in one.name]


def test_only_the_owner_can_read_the_file_and_its_log(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite3"
    connection = open_file(path)
    connection.execute("INSERT INTO gpus (uuid) VALUES ('a')")

    assert {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {
        "agent.sqlite3": 0o600,
        "agent.sqlite3-wal": 0o600,
        "agent.sqlite3-shm": 0o600,
    }
    connection.close()


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite3"
    make_file(path)
    path.chmod(0o644)

    open_file(path).close()

    assert path.stat().st_mode & 0o777 == 0o600


def test_both_kinds_of_connection_wait_a_second_for_another_transaction(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite3"
    for connection in (open_file(path), open_to_read(path)):
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (1000,)
        connection.close()


def test_a_write_does_not_wait_for_the_disk_and_the_log_stays_below_4_mib(
    tmp_path: Path,
) -> None:
    connection = open_file(tmp_path / "agent.sqlite3")
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,), "NORMAL"
    assert connection.execute("PRAGMA journal_size_limit").fetchone() == (4 * 1024**2,)
    connection.close()


@pytest.mark.parametrize(("size", "kept"), [(0, [""]), (5000, ["", "-wal"])])
def test_a_file_is_set_aside_with_its_log_and_shares_nothing_with_the_new_one(
    tmp_path: Path, size: int, kept: list[str]
) -> None:
    """A reader may still have the old one open."""
    path = tmp_path / "agent.sqlite3"
    log, index = (tmp_path / f"agent.sqlite3-{kind}" for kind in ("wal", "shm"))
    path.write_bytes(b"\xff" * 5000)
    log.write_bytes(b"\xff" * size)
    index.touch()
    with log.open() as old_log, index.open() as old_index:
        connection = open_file(path)
        for now, old in ((log, old_log), (index, old_index)):
            assert not os.path.samestat(now.stat(), os.fstat(old.fileno()))
        connection.close()

    assert sorted(one.name.rpartition("Z")[2] for one in aside(path)) == kept


class OpenFiles(logging.Handler):
    """Finds the files that are open when a line is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        del record
        self.found = {
            Path(os.path.realpath(descriptor)).name for descriptor in Path("/proc/self/fd").iterdir()
        }


@pytest.mark.parametrize("why", ["damaged", "newer"])
def test_a_file_is_closed_before_it_is_set_aside(tmp_path: Path, why: str) -> None:
    """Otherwise SQLite would delete the log of the new file when it closes the old one."""
    path = tmp_path / "agent.sqlite3"
    make_file(path)
    if why == "damaged":
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xa5" * 4096 + content[8192:])
    else:
        newer = sqlite3.connect(path)
        newer.execute(f"PRAGMA user_version = {VERSION + 1}")
        newer.close()
    logger, handler = logging.getLogger("agent.state.file"), OpenFiles()
    logger.addHandler(handler)
    try:
        open_file(path).close()
    finally:
        logger.removeHandler(handler)

    (kept,) = aside(path)
    assert handler.found
    assert kept.name not in handler.found


def test_written_rows_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite3"
    make_file(path)

    assert open_file(path).execute("SELECT uuid FROM gpus").fetchall() == [("GPU-of-before",)]
    assert not aside(path)


@pytest.mark.parametrize("damage", ["no database", "a page overwritten", "cut off"])
def test_a_damaged_file_is_set_aside_and_a_new_one_started(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "agent.sqlite3"
    make_file(path)
    content = path.read_bytes()
    spoiled = {
        "no database": b"\xff" * len(content),
        "a page overwritten": content[:4096] + b"\xa5" * 4096 + content[8192:],
        "cut off": content[:5000],
    }[damage]
    path.write_bytes(spoiled)

    connection = open_file(path)

    assert connection.execute("SELECT * FROM gpus").fetchall() == []
    (kept,) = aside(path)
    assert kept.read_bytes() == spoiled
    assert str(kept) in caplog.text


def test_a_newer_file_is_kept_unchanged_under_another_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "agent.sqlite3"
    make_file(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    content = path.read_bytes()

    assert open_file(path).execute("SELECT * FROM gpus").fetchall() == []

    (kept,) = aside(path)
    assert kept.read_bytes() == content
    assert f"It is of version {VERSION + 1}, and this agent knows up to {VERSION}" in caplog.text


def test_the_newer_agent_continues_its_file_once_it_has_its_name_back(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite3"
    make_file(path)
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    newer.close()
    open_file(path).close()

    aside(path)[0].rename(path)

    newer = sqlite3.connect(path)
    migrate(newer, [*STEPS, ("ALTER TABLE gpus ADD COLUMN slot",)])
    assert newer.execute("SELECT uuid FROM gpus").fetchall() == [("GPU-of-before",)]


def test_two_files_are_set_aside_under_two_names(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite3"
    for number in range(3):
        path.write_bytes(bytes([number + 1]) * 5000)
        open_file(path).close()

    assert {kept.read_bytes()[0] for kept in aside(path)} == {1, 2, 3}


def test_a_database_of_another_program_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite3"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(ForeignFile):
        migrate(other)
    other.close()
    path.chmod(0o640)
    content = path.read_bytes()

    assert "gpus" in tables(open_file(path))
    (kept,) = aside(path)
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (content, 0o640)


def test_opening_the_file_shows_that_it_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite3"
    make_file(path)
    connection = open_file(path)

    assert path.with_name(f"{path.name}-wal").stat().st_size > 0
    connection.close()


def test_forgotten_users_are_in_no_byte_of_the_files(tmp_path: Path) -> None:
    connection = open_file(tmp_path / "agent.sqlite3")
    rows = [(uid, f"somebody-{uid}", 0.0) for uid in range(500)]
    names.SUBJECT.write(connection, rows)
    connection.execute("PRAGMA wal_checkpoint")
    names.SUBJECT.write(connection, rows[:9])
    forget_users(connection)

    assert not [one.name for one in tmp_path.iterdir() if b"somebody" in one.read_bytes()]
    connection.close()
    assert not [one.name for one in tmp_path.iterdir() if b"somebody" in one.read_bytes()]


def test_each_migration_step_runs_once_and_keeps_the_rows(tmp_path: Path) -> None:
    """From each version to the newest, with one more step than today."""
    later = ("ALTER TABLE gpus ADD COLUMN slot TEXT", "UPDATE gpus SET slot = 'unknown'")
    for version in range(len(STEPS) + 1):
        connection = sqlite3.connect(tmp_path / f"{version}", isolation_level=None)
        migrate(connection, STEPS[:version])
        if version:
            connection.execute("INSERT INTO gpus (uuid) VALUES ('a')")
        migrate(connection, [*STEPS, later])
        migrate(connection, [*STEPS, later])

        assert connection.execute("SELECT uuid, slot FROM gpus").fetchall() == [("a", "unknown")] * bool(
            version
        )
        assert connection.execute("PRAGMA user_version").fetchone() == (len(STEPS) + 1,)


def test_a_migration_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "file", isolation_level=None)
    migrate(connection)
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [*STEPS, ("ALTER TABLE gpus ADD COLUMN slot", "SELECT nothing FROM nowhere")])

    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert "slot" not in {row[1] for row in connection.execute("PRAGMA table_info(gpus)")}
    with pytest.raises(NewerFile):
        migrate(connection, [])
