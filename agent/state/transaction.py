"""A transaction that writes all other rows if those of one subject are invalid."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING

from agent.state.schema import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from sqlite3 import Connection

    from agent.state.subject import Ageing, Batch

# Errors of the rows, not of the file: they would be the same each time.
_ROW_ERRORS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.InterfaceError)


def write(connection: Connection, batches: Iterable[Batch], ageing: Ageing | None) -> dict[str, Exception]:
    """Write the batches, and delete old rows; returns the subjects that failed, with the reason.

    Raises OSError, and sqlite3.Error if the file is the reason: then nothing is written.
    """
    faults: dict[str, Exception] = {}

    def run_isolated(name: str, action: Callable[[], None]) -> None:
        connection.execute("SAVEPOINT apart")
        try:
            action()
        except Exception as error:
            if isinstance(error, (OSError, sqlite3.Error)) and not isinstance(error, _ROW_ERRORS):
                raise
            faults[name] = error
            connection.execute("ROLLBACK TO apart")
        connection.execute("RELEASE apart")

    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for batch in batches:
            for subject, rows in batch:
                run_isolated(subject.name, partial(subject.write, connection, rows))
        if ageing is not None:
            for subject in SUBJECTS:
                if subject.age is not None:
                    run_isolated(subject.name, partial(subject.age, connection, ageing))
    return faults
