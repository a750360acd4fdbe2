"""What a subject declares about its tables, and the form of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from sqlite3 import Connection

    # What SQLite stores.
    Value = int | float | str | bytes | None
    Row = tuple[Value, ...]

DAY_SECONDS = 24 * 3600.0


class Ageing(NamedTuple):
    """The parameters with which a subject limits its tables."""

    now: float  # seconds since the epoch
    days: int  # for which days are kept: STATE_DAYS
    boot: str  # id of the present boot
    run: int  # of this process: its rows may still be written


class Subject(NamedTuple):
    """One subject's tables."""

    name: str
    create: tuple[str, ...]  # statements that make its tables, as they were in version 1 of the file
    # Both run within a transaction. `write` is idempotent.
    write: Callable[[Connection, Sequence[Row]], None]
    # Called once an hour; None: the tables never grow.
    age: Callable[[Connection, Ageing], None] | None = None


class Rows(NamedTuple):
    """Rows to be written, in the order that the subject's `write` expects."""

    subject: Subject
    rows: tuple[Row, ...]


Batch = tuple[Rows, ...]  # what is written in one transaction


def failed(error: Exception) -> Rows:
    """Stands for rows that could not be made: writing them raises the error."""

    def write(_connection: Connection, _rows: Sequence[Row]) -> None:
        raise error

    return Rows(Subject("what could not be made", (), write), ())
