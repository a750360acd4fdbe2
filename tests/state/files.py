"""A state file, and agents that write and read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.state.forget import forget_users
from agent.state.keeper import Keeper
from agent.state.restore import restore
from agent.state.schema import SUBJECTS
from agent.state.subject import Ageing
from tests.sampling.test_history import EPOCH

if TYPE_CHECKING:
    from sqlite3 import Connection

    from agent.readings.restored import Restored
    from agent.state.keeper import Part
    from agent.state.subject import Batch

HOUR, DAY = 3600.0, 86_400.0


def write(file: Connection, *batches: Batch, times: int = 2) -> None:
    """Write the batches more than once, which must have the same result."""
    for _ in range(times):
        with file:
            file.execute("BEGIN")
            for batch in batches:
                for subject, rows in batch:
                    subject.write(file, rows)


def kept(file: Connection, *parts: Part) -> Keeper:
    return Keeper(lambda batch, **_: write(file, batch), parts)


def restored(
    file: Connection, at: float, *, boot: str = "boot", users: bool = True, booted_at: float = EPOCH
) -> Restored:
    """The values that an agent restores if it starts `at` seconds after the boot."""
    if not users:
        forget_users(file)
    return restore(file, now=booted_at + at, since_boot=at, boot=boot)


def age(file: Connection, at: float, days: int = 400) -> None:
    for subject in SUBJECTS:
        if subject.age is not None:
            subject.age(file, Ageing(EPOCH + at, days, "boot", 1))
