"""GPU hours in the file: nothing counts twice, rows of processes add up, old days are deleted."""

from __future__ import annotations

import datetime as dt
import sqlite3
from typing import TYPE_CHECKING

import pytest

from agent.readings import GpuDay, UsageBy, UsageDays, UsageReading, UsageSums, UserDay
from agent.state import gpus, names, usage
from agent.state.subject import Ageing

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN, LATER_RUN = 1_000, 2_000
ALICE, BOB = 1001, 1002
DAY = "2026-11-26"
NOW = dt.datetime(2026, 11, 26, 12).timestamp()  # noqa: DTZ001  (the host's own noon)


def sums(seconds: float, *, peak: int = 0) -> UsageSums:
    return UsageSums(seconds, seconds / 2, seconds / 4, 0.0, seconds, seconds * 10, peak)


def user(uid: int | None, seconds: float, day: str = DAY, *, peak: int = 0) -> UserDay:
    return UserDay(day, uid, sums(seconds, peak=peak))


def gpu(
    uuid: str, seconds: float, day: str = DAY, *, joules: float | None = None, name: str | None = "H100"
) -> GpuDay:
    return GpuDay(day, uuid, name, 2 * seconds, joules, sums(seconds))


@pytest.fixture
def file() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for subject in (gpus.SUBJECT, names.SUBJECT, usage.USERS, usage.GPUS):
        for statement in subject.create:
            connection.execute(statement)
    yield connection
    connection.close()


def write(file: sqlite3.Connection, *days: UserDay | GpuDay, run: int = RUN) -> None:
    usage_days = UsageDays(
        tuple(one for one in days if isinstance(one, UserDay)),
        tuple(one for one in days if isinstance(one, GpuDay)),
    )
    for subject, rows in (usage.user_rows(usage_days, run), usage.gpu_rows(usage_days, run)):
        subject.write(file, rows)


def age(file: sqlite3.Connection, *, days: int = 400, run: int = RUN, now: float = NOW) -> None:
    for subject in (usage.USERS, usage.GPUS):
        assert subject.age is not None
        subject.age(file, Ageing(now, days, "boot", run))


def read(file: sqlite3.Connection, by: UsageBy, first: str = DAY, last: str = DAY) -> UsageReading:
    return usage.totals(by, first, last)(file)


def held(file: sqlite3.Connection, by: UsageBy, first: str = DAY, last: str = DAY) -> dict[object, float]:
    return {one.key: one.sums.held_seconds for one in read(file, by, first, last).totals}


def rows(file: sqlite3.Connection) -> int:
    (count,) = file.execute(
        "SELECT (SELECT count(*) FROM user_days) + (SELECT count(*) FROM gpu_days)"
    ).fetchone()
    return int(count)


def test_a_row_written_again_counts_once(file: sqlite3.Connection) -> None:
    for seconds in (60.0, 60.0, 120.0):
        write(file, user(ALICE, seconds), gpu("GPU-0", seconds))
    assert held(file, UsageBy.USER) == {ALICE: 120.0}
    assert held(file, UsageBy.GPU) == {"GPU-0": 120.0}


def test_a_late_smaller_row_changes_nothing(file: sqlite3.Connection) -> None:
    write(file, user(ALICE, 120.0, peak=7), gpu("GPU-0", 120.0, joules=5.0))
    write(file, user(ALICE, 60.0, peak=3), gpu("GPU-0", 60.0))
    (alice,) = read(file, UsageBy.USER).totals
    (total,) = read(file, UsageBy.GPU).totals
    assert alice.sums == sums(120.0, peak=7)
    assert (total.sums, total.energy_joules) == (sums(120.0), 5.0)


def test_sums_of_earlier_agents_are_added(file: sqlite3.Connection) -> None:
    write(file, user(ALICE, 100.0, peak=7), gpu("GPU-0", 100.0, joules=5.0))
    write(file, user(ALICE, 20.0, peak=3), gpu("GPU-0", 20.0, joules=1.0), run=LATER_RUN)
    (alice,) = read(file, UsageBy.USER).totals
    (total,) = read(file, UsageBy.GPU).totals
    assert alice.sums == sums(120.0, peak=7)
    assert (total.watched_seconds, total.energy_joules) == (240.0, 6.0)


def test_ageing_merges_the_rows_of_earlier_agents_and_changes_no_sum(file: sqlite3.Connection) -> None:
    for run in range(RUN, RUN + 9):
        write(file, user(ALICE, 10.0), user(None, 1.0), gpu("GPU-0", 10.0, joules=2.0), run=run)
    write(file, user(ALICE, 5.0), gpu("GPU-0", 5.0), run=LATER_RUN)
    before = [read(file, by) for by in UsageBy]
    for _ in range(2):
        age(file, run=LATER_RUN)
        assert rows(file) == 3 + 2
        assert [read(file, by) for by in UsageBy] == before
    runs = file.execute("SELECT DISTINCT run FROM user_days WHERE uid = ? ORDER BY run", (ALICE,)).fetchall()
    assert runs == [(RUN + 8,), (LATER_RUN,)]
    write(file, user(ALICE, 15.0), run=LATER_RUN)
    assert held(file, UsageBy.USER)[ALICE] == 105.0, "the agent of the later run still counts"


def a_month(file: sqlite3.Connection, *more: str) -> None:
    """Write a second for each day of November until DAY, and for these other days."""
    days = [*(f"2026-11-{number:02d}" for number in range(1, 27)), *more]
    write(file, *(user(ALICE, 1.0, day) for day in days), *(gpu("GPU-0", 1.0, day) for day in days))


def days_left(file: sqlite3.Connection) -> list[object]:
    return [one.key for one in read(file, UsageBy.DAY, "1970-01-01", "2999-12-31").totals]


def test_days_before_state_days_are_deleted(file: sqlite3.Connection) -> None:
    a_month(file)
    age(file, days=3)
    assert days_left(file) == ["2026-11-24", "2026-11-25", DAY]
    assert read(file, UsageBy.DAY, "2000-01-01").since == "2026-11-24"
    assert held(file, UsageBy.USER, "2000-01-01") == {ALICE: 3.0}


def test_a_user_with_few_days_has_no_day_kept_longer(file: sqlite3.Connection) -> None:
    a_month(file)
    file.execute("DELETE FROM user_days WHERE day > '2026-11-01'")
    age(file, days=3)
    assert held(file, UsageBy.USER, "2000-01-01") == {}


@pytest.mark.parametrize(
    ("wrong", "now", "lost"),
    [("2036-07-01", dt.datetime(2036, 7, 1, 12), 1), ("1970-01-02", dt.datetime(1970, 1, 2, 12), 0)],  # noqa: DTZ001
    ids=["years ahead", "1970, as without a battery"],
)
def test_a_day_with_a_wrong_clock_costs_at_most_one_day(
    file: sqlite3.Connection, wrong: str, now: dt.datetime, lost: int
) -> None:
    a_month(file, wrong)
    age(file, days=26, now=now.timestamp())
    assert len(days_left(file)) == 26 + 1 - lost
    age(file, days=26)
    assert len([day for day in days_left(file) if str(day).startswith("2026-11")]) == 26 - lost


def test_a_day_in_the_future_does_not_displace_a_past_one(file: sqlite3.Connection) -> None:
    a_month(file, "2036-07-01")
    age(file, days=1)
    assert days_left(file) == [DAY, "2036-07-01"]


def test_thirty_days_are_today_and_the_29_days_before() -> None:
    assert usage.first_day(NOW, 30) == "2026-10-28"
    assert usage.first_day(NOW, 1) == DAY


def test_only_the_requested_days_count(file: sqlite3.Connection) -> None:
    for day, seconds in (("2026-11-24", 1.0), ("2026-11-25", 10.0), (DAY, 100.0)):
        write(file, user(ALICE, seconds, day), gpu("GPU-0", seconds, day))
    assert held(file, UsageBy.USER, "2026-11-25") == {ALICE: 110.0}
    assert held(file, UsageBy.GPU, "2026-11-24", "2026-11-25") == {"GPU-0": 11.0}
    assert held(file, UsageBy.DAY, "2026-11-25") == {"2026-11-25": 10.0, DAY: 100.0}


def test_users_have_their_last_known_names_and_the_largest_holder_comes_first(
    file: sqlite3.Connection,
) -> None:
    names.SUBJECT.write(file, [(ALICE, "alice", NOW)])
    write(file, user(None, 20.0), user(ALICE, 10.0), user(BOB, 30.0))
    assert [(one.key, one.name) for one in read(file, UsageBy.USER).totals] == [
        (BOB, None), (None, None), (ALICE, "alice"),
    ]  # fmt: skip


def test_an_unknown_owner_is_no_user_with_a_number(file: sqlite3.Connection) -> None:
    write(file, user(None, 40.0), user(0, 30.0), user(1, 20.0))
    assert held(file, UsageBy.USER) == {None: 40.0, 0: 30.0, 1: 20.0}
    assert (-1,) in file.execute("SELECT uid FROM user_days").fetchall()


def test_a_day_has_the_sums_of_all_gpus(file: sqlite3.Connection) -> None:
    write(file, gpu("GPU-0", 10.0, joules=4.0), gpu("GPU-1", 20.0))
    (day,) = read(file, UsageBy.DAY).totals
    assert (day.key, day.sums.held_seconds, day.watched_seconds, day.energy_joules) == (DAY, 30.0, 60.0, 4.0)


def test_energy_that_was_never_reported_is_unknown(file: sqlite3.Connection) -> None:
    for run in (RUN, RUN + 1):
        write(file, gpu("GPU-0", 10.0), run=run)
    age(file, run=LATER_RUN)
    assert [one.energy_joules for one in read(file, UsageBy.GPU).totals] == [None]


def test_a_gpu_has_the_name_of_an_earlier_day_if_the_last_day_has_none(file: sqlite3.Connection) -> None:
    write(file, gpu("GPU-0", 1.0, "2026-11-25"), gpu("GPU-0", 1.0, name=None))
    (total,) = read(file, UsageBy.GPU, "2026-11-25").totals
    assert (total.key, total.name) == ("GPU-0", "H100")


def test_rows_beyond_the_maximum_are_counted(file: sqlite3.Connection) -> None:
    write(file, *(user(uid, float(uid)) for uid in range(1, usage.MAX_ROWS + 4)))
    found = read(file, UsageBy.USER)
    assert (len(found.totals), found.left_out) == (5000, 3)
    assert found.totals[-1].key == 4, "the users who held least are left out"


def test_forgetting_users_leaves_the_sums_of_gpus(file: sqlite3.Connection) -> None:
    write(file, user(ALICE, 1.0), gpu("GPU-0", 1.0))
    usage.forget_users(file)
    assert held(file, UsageBy.USER) == {}
    assert held(file, UsageBy.GPU) == {"GPU-0": 1.0}


def test_time_without_users_is_not_watched_for_them(file: sqlite3.Connection) -> None:
    """STATE_USERS is 1, then 0 in two runs, then 1: only the last run knows the hours of users."""
    write(file, user(ALICE, 1.0, "2026-11-20"), gpu("GPU-0", 1.0, "2026-11-20"))
    for run in (-RUN - 10, -RUN - 11):
        usage.forget_users(file)
        write(file, gpu("GPU-0", 2.0, "2026-11-21"), gpu("GPU-0", 2.0), run=run)
    write(file, user(ALICE, 4.0), gpu("GPU-0", 4.0), gpu("GPU-0", 0.5, "2026-11-27"), run=LATER_RUN)

    for _ in range(2):
        by_user, by_gpu = (read(file, by, "2026-11-01", "2026-11-30") for by in (UsageBy.USER, UsageBy.GPU))
        assert (by_user.since, by_user.watched_seconds) == (DAY, 9.0), "also a day on which nobody had a GPU"
        assert (by_gpu.since, by_gpu.watched_seconds) == ("2026-11-20", 2.0 + 16.0 + 9.0)
        age(file, run=LATER_RUN)


def test_an_empty_file_has_no_usage(file: sqlite3.Connection) -> None:
    for by in UsageBy:
        assert read(file, by) == UsageReading()
