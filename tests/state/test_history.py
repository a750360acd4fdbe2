"""The history after a restart, with a gap for the time between; means by minute and by hour."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.readings.restored import KeptMoment
from agent.sampling.history import GPU_FIELDS, HOST_FIELDS, History
from agent.state.history import GPU_COLUMNS, HOST_COLUMNS, LONGEST_SECONDS, SUBJECT, HistoryPart
from agent.state.history_query import query
from agent.state.keeper import PACE, Keeper
from tests.sampling.test_history import EPOCH, snapshot, utilization
from tests.state.files import DAY, HOUR, age, kept, restored

if TYPE_CHECKING:
    from sqlite3 import Connection

    from agent.readings import (
        Snapshot,
    )
    from agent.state.subject import Batch


def run(file: Connection, history: History, began: float, seconds: int, step: int = 10) -> Snapshot:
    """Run an agent that samples from `began` on for this many seconds."""
    keeper = kept(file, HistoryPart(history, began))
    last = snapshot(began, 0)
    for at in range(step, seconds + 1, step):
        last = snapshot(began + at, int(began + at) % 101, 50)
        history.add(last)
        keeper.add(last)
    keeper.end()
    return last


def test_the_file_has_a_column_for_each_field_of_the_history() -> None:
    assert len(GPU_COLUMNS) == len(GPU_FIELDS)
    assert len(HOST_COLUMNS) == len(HOST_FIELDS)


def test_the_history_continues_after_a_restart_with_a_gap(file: Connection) -> None:
    before = History(10)
    last = run(file, before, 0, 600)
    recorded = before.read(last, HOUR, last.gpus)
    history = History(10)
    history.restore(restored(file, 900).history)
    for at in (910, 920):
        last = snapshot(at, 1, 2)
        history.add(last)

    found = history.read(last, HOUR, last.gpus)

    taken = [at - EPOCH for at in found.taken_at]
    assert taken == [*range(10, 601, 10), 610, 910, 920]
    assert utilization(found.gpus[0]) == (*utilization(recorded.gpus[0])[:60], None, 1, 1)
    assert utilization(found.gpus[1]) == (*[50] * 60, None, 2, 2)


def test_the_history_from_before_a_reboot_keeps_its_times(file: Connection) -> None:
    run(file, History(10), 5000, 100)
    history = History(10)
    booted_at = EPOCH + 5200  # the machine boots, and its clock starts at 0

    history.restore(restored(file, 30, boot="another", booted_at=booted_at).history)

    now = replace(snapshot(30, 1, 1), taken_at=booted_at + 30)
    history.add(now)
    found = history.read(now, HOUR, now.gpus)
    assert found.taken_at[:10] == tuple(EPOCH + 5000 + at for at in range(10, 101, 10))


def test_samples_older_than_an_hour_are_not_restored(file: Connection) -> None:
    run(file, History(10), 0, 600)

    assert [moment.since_boot for moment in restored(file, HOUR + 590).history] == [590, 600]
    assert restored(file, HOUR + 601).history == []


def test_a_sample_is_kept_with_its_time_in_tenths_of_a_second() -> None:
    history = History(10)
    history.add(last := snapshot(10.26, 1))
    found = HistoryPart(history, 0)(last)

    assert found is not None
    assert {row[0] for row in found.rows} == {round(EPOCH + 10.3, 1)}


def test_a_day_of_minute_means_and_90_days_of_hour_means_can_be_queried(
    file: Connection,
) -> None:
    history = History(10)
    keeper = kept(file, HistoryPart(history, 0))
    for at in range(10, 7201, 10):
        unknown = at % 60 < 20  # a third of each minute
        last = snapshot(at, None if unknown else 10 if at <= 3600 else 30)
        history.add(last)
        keeper.add(last)
    keeper.end()
    gpus, fields = last.gpus, ["utilization.gpu_percent"]

    by_minute = query(file, EPOCH + 7200, DAY, gpus, fields, interval=10)
    by_hour = query(file, EPOCH + 7200, LONGEST_SECONDS, gpus, fields, interval=10)

    assert len(by_minute.taken_at) == 121
    assert set(utilization(by_minute.gpus[0])[:60]) == {10.0}
    assert [at % 60 for at in by_minute.taken_at] == [0] * 121
    assert [round(value or 0) for value in utilization(by_hour.gpus[0])][:2] == [10, 30]


def test_a_minute_with_a_restart_is_the_mean_of_both_parts(file: Connection) -> None:
    for began, percent in ((0, 20), (30, 40)):
        history = History(10)
        keeper = kept(file, HistoryPart(history, began))
        for at in (began, began + 10, began + 20):
            history.add(last := snapshot(at + 5, percent))
            keeper.add(last)
        keeper.end()

    found = query(file, EPOCH + 60, DAY, last.gpus, ["utilization.gpu_percent"], interval=10)

    (mean,) = utilization(found.gpus[0])
    assert mean == pytest.approx((2 * 20 + 2 * 40) / 4, abs=4)  # the first time of each part is its start


def test_a_mean_stays_when_its_samples_have_been_deleted(file: Connection) -> None:
    for at, percent in ((0, 20.0), (50, 40.0), (300, 60.0)):
        SUBJECT.write(file, [(EPOCH + at, None, percent, None)])
        if at == 50:
            file.execute("DELETE FROM host_history WHERE step = 0 AND at < ?", (EPOCH + at,))
    means = file.execute("SELECT at, cpu_percent FROM host_history WHERE step = 60 ORDER BY at").fetchall()
    assert means == [(EPOCH, 30.0), (EPOCH + 300, 60.0)]


def test_a_late_sample_leaves_the_mean_of_the_next_minute_unchanged(file: Connection) -> None:
    for at, percent in ((60, 20.0), (115, 40.0), (50, 10.0)):
        SUBJECT.write(file, [(EPOCH + at, None, percent, None)])
    means = file.execute("SELECT at, cpu_percent FROM host_history WHERE step = 60 ORDER BY at").fetchall()
    assert means == [(EPOCH, 10.0), (EPOCH + 60, 30.0)]


def test_a_gpu_with_an_unknown_utilization_keeps_its_other_values(file: Connection) -> None:
    values = (None, 3.0, *[None] * 9)
    SUBJECT.write(file, [(EPOCH, None, 5.0, 7.0), (EPOCH, "a", *values)])
    assert restored(file, 10).history == [KeptMoment(0.0, {"a": values}, (5.0, 7.0))]


def test_a_gap_in_the_file_is_a_gap_in_the_history(file: Connection) -> None:
    run(file, History(10), 0, 120)
    run(file, History(10), 1200, 120)
    last = snapshot(1400, 1, 1)

    found = query(file, EPOCH + 1400, DAY, last.gpus, ["utilization.gpu_percent"], interval=10)

    assert [at - EPOCH for at in found.taken_at] == [0, 60, 120, 180, 1200, 1260, 1320]
    assert utilization(found.gpus[0])[3] is None
    assert None not in (*utilization(found.gpus[0])[:3], *utilization(found.gpus[0])[4:])


def of_host(file: Connection, step: int, *times: float) -> None:
    """Write these times, in seconds after EPOCH, of this step."""
    file.executemany("INSERT INTO host_history VALUES (?, ?, 1, 1)", [(step, EPOCH + at) for at in times])


@pytest.mark.parametrize(
    ("times", "found"),
    [
        pytest.param([0, 60, 240], [0, 60, 240], id="three minutes"),
        pytest.param([0, 60, 300], [0, 60, 120, 300], id="four minutes"),
    ],
)
def test_a_gap_is_longer_than_three_steps(file: Connection, times: list[float], found: list[float]) -> None:
    of_host(file, 60, *times)
    moments = query(file, EPOCH + 300, DAY, (), (), interval=10).taken_at
    assert [at - EPOCH for at in moments] == found


@pytest.mark.parametrize(
    ("seconds", "found"),
    [(HOUR, [DAY - HOUR, DAY]), (DAY, [0, DAY - HOUR, DAY]), (DAY + 1, [-1, 7200])],
)
def test_more_than_a_day_is_queried_by_the_hour(file: Connection, seconds: float, found: list[float]) -> None:
    of_host(file, 60, -1, 0, DAY - HOUR, DAY, DAY + 1)
    of_host(file, 3600, -2, -1, 7200)
    moments = query(file, EPOCH + DAY, seconds, (), (), interval=DAY).taken_at
    assert [at - EPOCH for at in moments] == found


def test_samples_rarer_than_a_minute_have_no_gaps(file: Connection) -> None:
    run(file, History(300), 0, 1500, step=300)
    last = snapshot(1500, 1, 1)

    found = query(file, EPOCH + 1500, DAY, last.gpus, ["utilization.gpu_percent"], interval=300)

    assert None not in utilization(found.gpus[0])
    assert [at - EPOCH for at in found.taken_at][-3:] == [900, 1200, 1500]


def test_a_gpu_that_is_not_in_the_file_is_unknown(file: Connection) -> None:
    run(file, History(10), 0, 120)
    other = snapshot(130, 1, uuids="x")

    found = query(file, EPOCH + 130, DAY, other.gpus, ["power.usage_watts"], interval=10)

    assert set(found.gpus[0].columns["power.usage_watts"]) == {None}


def test_a_gpu_that_has_disappeared_is_kept_for_the_time_when_it_was_there(file: Connection) -> None:
    history = History(10)
    keeper = kept(file, HistoryPart(history, 0))
    for at in range(10, 61, 10):
        history.add(last := snapshot(at, 7, 8))
    history.add(last := snapshot(70, 7))
    keeper.add(last)
    keeper.end()

    (uuids,) = {tuple(moment.gpus) for moment in restored(file, 70).history[:6]}
    assert uuids == ("a", "b")


def test_samples_are_deleted_after_an_hour_and_their_means_kept(file: Connection) -> None:
    run(file, History(10), 0, 600)
    age(file, 2 * HOUR)
    steps = {step for (step,) in file.execute("SELECT DISTINCT step FROM gpu_history")}
    assert steps == {60, 3600}


def test_ageing_keeps_the_samples_of_an_hour_before_and_after_its_clock(file: Connection) -> None:
    """The clock may be behind that of the samples."""
    of_host(file, 0, -HOUR - 1, -HOUR, 0, HOUR, HOUR + 1)
    age(file, 0)
    kept = [at - EPOCH for (at,) in file.execute("SELECT at FROM host_history")]
    assert kept == [-HOUR, 0, HOUR]


def hours(file: Connection, count: int, first: float = EPOCH) -> None:
    """Write this many rows by the hour, and as many by the minute."""
    for step in (60, 3600):
        moments = [(step, first + number * step) for number in range(count)]
        file.executemany("INSERT INTO host_history VALUES (?, ?, 1, 1)", moments)
        of_gpus = [(*moment, 1, *GPU_COLUMNS) for moment in moments]
        file.executemany("INSERT INTO gpu_history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", of_gpus)


def left(file: Connection, table: str, step: int) -> tuple[int, float]:
    """The number of rows, and the time of the first in seconds after EPOCH."""
    found = file.execute(f"SELECT count(*), min(at) FROM {table} WHERE step = ?", (step,)).fetchone()  # noqa: S608
    return found[0], found[1] - EPOCH


@pytest.mark.parametrize("table", ["host_history", "gpu_history"])
def test_a_day_of_minutes_and_90_days_of_hours_are_kept(file: Connection, table: str) -> None:
    hours(file, 3000)
    age(file, 3000 * HOUR)
    # One more, because the newest minute and hour are not over yet.
    assert left(file, table, 60) == (24 * 60 + 1, (3000 - 24 * 60 - 1) * 60)
    assert left(file, table, 3600) == (90 * 24 + 1, (3000 - 90 * 24 - 1) * HOUR)


@pytest.mark.parametrize("years", [10, -10])
def test_a_wrong_clock_deletes_no_days_of_history(file: Connection, years: int) -> None:
    hours(file, 24)
    hours(file, 5, EPOCH + years * 365 * DAY)
    age(file, years * 365 * DAY + 5 * HOUR)
    age(file, 24 * HOUR)
    assert left(file, "gpu_history", 3600)[0] == left(file, "gpu_history", 60)[0] == 29


def test_a_batch_is_handed_over_once_a_minute_and_at_the_end() -> None:
    batches: list[Batch] = []
    history = History(10)
    keeper = Keeper(lambda batch, **_: batches.append(batch), [HistoryPart(history, 0)])
    for at in range(10, 200, 10):
        history.add(last := snapshot(at, 1))
        keeper.add(last)
    assert len(batches) == 3 == 190 // PACE
    keeper.end()

    moments = [row[0] for batch in batches for row in batch[-1].rows if row[1] is None]
    assert moments == [EPOCH + at for at in range(10, 200, 10)]
