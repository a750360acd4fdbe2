"""The subjects in the file, its version, and the migration steps from each version to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.state import gpus, history, idle, names, seen, usage, xids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from agent.state.subject import Subject

# In the order in which their rows are written.
SUBJECTS: tuple[Subject, ...] = (
    gpus.SUBJECT,  # the first: others refer to it
    history.SUBJECT,
    xids.SUBJECT,
    idle.SUBJECT,
    seen.SUBJECT,
    names.SUBJECT,
    usage.USERS,
    usage.GPUS,
)

# The step at position N migrates a file of version N to N + 1. A released step never changes.
STEPS: tuple[tuple[str, ...], ...] = (
    tuple(statement for subject in SUBJECTS for statement in subject.create),
)
VERSION = len(STEPS)


class NewerFile(Exception):
    """The file was written by a newer version of the agent, which alone can read it."""


class ForeignFile(Exception):
    """The file is a database of another program."""


def version_of(connection: Connection, newest: int = VERSION) -> int:
    """The version of the file; 0: it is empty. Raises NewerFile, ForeignFile."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise NewerFile(f"It is of version {version}, and this agent knows up to {newest}")
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise ForeignFile("It holds tables that are not the agent's")
    return int(version)


def migrate(connection: Connection, steps: Sequence[Sequence[str]] = STEPS) -> None:
    """Bring the file to the newest version, in one transaction. Raises NewerFile, ForeignFile.

    It writes in any case, which proves that the file is writable.
    """
    version = version_of(connection, len(steps))
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for step in steps[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
