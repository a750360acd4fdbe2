"""A file of each released version is migrated to the newest, with its data."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from agent.state.file import open_file
from agent.state.schema import VERSION

FOLDER = Path(__file__).with_name("versions")


def tables(connection: sqlite3.Connection) -> dict[str, list[tuple[str, str, int]]]:
    """The columns of each table: name, type and place in the key."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        name: [(row[1], row[2], row[5]) for row in connection.execute(f"PRAGMA table_info({name})")]
        for name in names
    }


def test_each_version_has_a_file_here() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.sql")) == sorted(
        str(version) for version in range(1, VERSION + 1)
    )


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_file_of_each_version_is_migrated_to_the_newest(tmp_path: Path, version: int) -> None:
    """A released migration step must not change, because then the tables of both files would differ."""
    path = tmp_path / "agent.sqlite3"
    old = sqlite3.connect(path)
    old.executescript((FOLDER / f"{version}.sql").read_text())
    old.close()

    found, new = open_file(path), open_file(tmp_path / "new.sqlite3")

    assert tables(found) == tables(new)
    assert found.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert found.execute("SELECT uuid FROM gpus").fetchall() == [("GPU-of-before",)]
    assert found.execute("SELECT name FROM names WHERE uid = 1000").fetchall() == [("alice",)]
    assert found.execute("SELECT cpu_percent FROM host_history").fetchall() == [(12.5,)]
