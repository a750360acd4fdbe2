# ruff: noqa: S608  (names of tables and columns are ours; values are parameters)
"""GPU hours: of each user on each day, and of each GPU on each day.

Sums are written as a whole, so that a row that is written twice counts once. Each process has rows of its
own; `age` adds up those of earlier processes into one row. The number of the process, `run`, is below 0 if no
hours of users are kept for the row. A sum never decreases: if the clock was set back and forth and a day
restarted in memory, the greater sum is kept.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from agent.readings import UsageBy, UsageReading, UsageSums, UsageTotal, local_day
from agent.state import gpus
from agent.state.subject import Rows, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from sqlite3 import Connection

    from agent.readings import UsageDays
    from agent.state.subject import Ageing, Row

MAX_ROWS = 5000  # of an answer
_NOBODY = -1  # the number of unknown owners: no user has this number, and NULL is no key


class _Table(NamedTuple):
    """Sums by day, by user or GPU, and by the process that counted them. All names are constants."""

    name: str
    key: str  # the column of the user or GPU
    values: tuple[str, ...]  # the other columns, behind day, key and run

    @property
    def create(self) -> str:
        """Makes it. `day` is the local date of the host, as in 2026-11-26."""
        return (
            f"CREATE TABLE {self.name} (day TEXT, {self.key} INTEGER, run INTEGER, {', '.join(self.values)}, "
            f"PRIMARY KEY (day, {self.key}, run)) WITHOUT ROWID"
        )

    def upsert(self, key: str = "?") -> str:
        """Writes a row of day, key, run and values; `key` is the expression that makes the key."""
        greater = (
            f"{name} = coalesce(max({name}, excluded.{name}), {name}, excluded.{name})"
            for name in self.values
        )
        return (
            f"INSERT INTO {self.name} VALUES (?, {key}, ?{', ?' * len(self.values)}) "
            f"ON CONFLICT DO UPDATE SET {', '.join(greater)}"
        )

    def age(self, connection: Connection, ageing: Ageing) -> None:
        """Keep the newest STATE_DAYS days, and combine rows of earlier processes.

        The number of days counts, without future ones: a clock that is wrong for a day costs at most one day.
        """
        connection.execute(
            f"DELETE FROM {self.name} WHERE day < (SELECT DISTINCT day FROM {_GPUS.name} WHERE day <= ?"
            " ORDER BY day DESC LIMIT 1 OFFSET ?)",
            (local_day(ageing.now), ageing.days - 1),
        )
        left = connection.execute(
            f"SELECT day, {self.key}, max(run), {_combined(self.values)} FROM {self.name} WHERE run <> ? "
            f"GROUP BY day, {self.key}, run < 0 HAVING count(*) > 1",
            (ageing.run,),
        ).fetchall()
        delete = (
            f"DELETE FROM {self.name} WHERE day = ? AND {self.key} = ? AND (run < 0) = (? < 0) AND run <> ?"
        )
        connection.executemany(delete, [(day, whose, run, ageing.run) for day, whose, run, *_ in left])
        connection.executemany(self.upsert(), left)


def _combined(values: Sequence[str]) -> str:
    """The SQL that combines the values of several rows."""
    greatest = {"name", "memory_peak_bytes"}
    return ", ".join(f"{'max' if name in greatest else 'sum'}({name})" for name in values)


_WATCHED = ("watched_seconds", "energy_joules")
_USERS = _Table("user_days", "uid", UsageSums._fields)
_GPUS = _Table("gpu_days", "gpu", ("name", *_WATCHED, *UsageSums._fields))


def _write_users(connection: Connection, rows: Sequence[Row]) -> None:
    connection.executemany(_USERS.upsert(), rows)


def _write_gpus(connection: Connection, rows: Sequence[Row]) -> None:
    gpus.SUBJECT.write(connection, [(uuid,) for _, uuid, *_ in rows])  # the file may have begun anew
    connection.executemany(_GPUS.upsert("(SELECT id FROM gpus WHERE uuid = ?)"), rows)


USERS = Subject(_USERS.name, (_USERS.create,), _write_users, _USERS.age)
GPUS = Subject(_GPUS.name, (_GPUS.create,), _write_gpus, _GPUS.age)


def forget_users(connection: Connection) -> None:
    """Delete all data about single users, and say so in the rows of the GPUs."""
    connection.execute(f"DELETE FROM {_USERS.name}")
    connection.execute(f"UPDATE {_GPUS.name} SET run = -1 - run WHERE run >= 0")


def user_rows(days: UsageDays, run: int) -> Rows:
    """The use by each user, as counted by this run."""
    owned = ((_NOBODY if one.uid is None else one.uid, one) for one in days.users)
    return Rows(USERS, tuple((one.day, uid, run, *one.sums) for uid, one in owned))


def gpu_rows(days: UsageDays, run: int) -> Rows:
    """The use of each GPU, as counted by this run."""
    return Rows(
        GPUS,
        tuple(
            (one.day, one.uuid, run, one.name, one.watched_seconds, one.energy_joules, *one.sums)
            for one in days.gpus
        ),
    )


def first_day(now: float, days: int) -> str:
    """The first of this many days up to the day of `now` (seconds since the epoch)."""
    today = dt.date.fromisoformat(local_day(now))
    return (today - dt.timedelta(days=days - 1)).isoformat()


def totals(by: UsageBy, first: str, last: str) -> Callable[[Connection], UsageReading]:
    """The query for the use from the first to the last of these days."""

    def query(connection: Connection) -> UsageReading:
        rows = connection.execute(_QUERIES[by], (first, last, MAX_ROWS)).fetchall()
        kept = f"{_GPUS.name} WHERE {'run >= 0' if by is UsageBy.USER else 'TRUE'}"
        (since,) = connection.execute(f"SELECT min(day) FROM {kept}").fetchone()
        (of_all,) = connection.execute(
            f"SELECT total(watched_seconds) FROM {kept} AND day BETWEEN ? AND ?", (first, last)
        ).fetchone()
        there_are = rows[0][-1] if rows else 0
        return UsageReading(
            tuple(
                UsageTotal(key, name, UsageSums(*sums), watched, joules)
                for key, name, watched, joules, *sums, _ in rows
            ),
            there_are - len(rows),
            since,
            of_all,
        )

    return query


def _select(what: str, table: _Table, watched: Sequence[str], *, group: str, order: str) -> str:
    """The SQL for totals; its parameters are the first day, the last day, and the maximum number of rows."""
    values = ", ".join([what, *watched, _combined(UsageSums._fields)])
    return (
        f"SELECT {values}, count(*) OVER () FROM {table.name} WHERE day BETWEEN ? AND ? "
        f"GROUP BY {group} ORDER BY {order} LIMIT ?"
    )


_NOT_WATCHED = ("NULL", "NULL")
_MOST_FIRST = "sum(held_seconds) DESC"
_NAME = f"(SELECT name FROM names WHERE names.uid = {_USERS.name}.uid)"
_UUID = f"(SELECT uuid FROM gpus WHERE id = {_GPUS.name}.gpu)"
# The first columns of a row: its key and its name.
_QUERIES = {
    UsageBy.USER: _select(
        f"nullif(uid, {_NOBODY}), {_NAME}", _USERS, _NOT_WATCHED, group="uid", order=f"{_MOST_FIRST}, uid"
    ),
    UsageBy.DAY: _select("day, NULL", _GPUS, [_combined(_WATCHED)], group="day", order="day"),
    UsageBy.GPU: _select(
        f"{_UUID}, max(name)", _GPUS, [_combined(_WATCHED)], group="gpu", order=f"{_MOST_FIRST}, gpu"
    ),
}
