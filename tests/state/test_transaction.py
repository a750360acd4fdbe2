"""A transaction has all rows but those of the subjects that failed, or none if the file is the reason."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from agent.state import gpus, names
from agent.state.subject import Ageing, Rows, Subject
from agent.state.transaction import write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from agent.state.subject import Batch, Row

OTHER: Batch = (Rows(gpus.SUBJECT, (("of another subject",),)),)


def half_written(error: Exception) -> Batch:
    """A batch whose write fails after its first row."""

    def fail(connection: Connection, _rows: Sequence[Row]) -> None:
        connection.execute("INSERT INTO gpus (uuid) VALUES ('half written')")
        raise error

    return (Rows(Subject("half", (), fail), ()),)


def uuids(file: Connection) -> list[str]:
    return [uuid for (uuid,) in file.execute("SELECT uuid FROM gpus")]


@pytest.mark.parametrize(
    "error",
    [KeyError("a"), sqlite3.IntegrityError("a"), sqlite3.ProgrammingError("a"), sqlite3.DataError("a")],
)
def test_a_subject_with_invalid_rows_writes_none_and_the_others_write_theirs(
    file: Connection, error: Exception
) -> None:
    assert write(file, [half_written(error), OTHER], None) == {"half": error}
    assert uuids(file) == ["of another subject"]
    assert not file.in_transaction


@pytest.mark.parametrize("error", [OSError("the disk is gone"), sqlite3.OperationalError("the disk is full")])
def test_nothing_is_written_if_the_file_is_the_reason(file: Connection, error: Exception) -> None:
    with pytest.raises(type(error)):
        write(file, [OTHER, half_written(error)], None)
    assert uuids(file) == []
    assert not file.in_transaction


def test_a_subject_that_cannot_delete_its_old_rows_stops_no_other(file: Connection) -> None:
    names.SUBJECT.write(file, [(7, "alice", 0.0)])
    file.execute("INSERT INTO seen VALUES ('gpus', '', '', 8, 0.0)")
    file.execute("CREATE TRIGGER never BEFORE DELETE ON seen BEGIN SELECT RAISE(ABORT, 'never'); END")

    faults = write(file, [OTHER], Ageing(1e9, 1, "boot", 1))

    assert [*faults] == ["seen"]
    assert uuids(file) == ["of another subject"]
    assert file.execute("SELECT name FROM names").fetchall() == []
