"""What an agent after a restart knows again: what was known before, and nothing of the time between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.readings import (
    Blamed,
    DriverReading,
    GpuCensus,
    GpuProcess,
    GpuSample,
    GpuState,
    HostProcess,
    LedgerReading,
    ProcessesReading,
    ProcessType,
    Snapshot,
    XidCount,
    XidSource,
)
from agent.readings.restored import KeptCard, KeptProcess, KeptXid, Restored
from agent.sampling.history import GPU_FIELDS, HOST_FIELDS, History
from agent.sampling.ledger import Ledger
from agent.state import names, seen
from agent.state.file import open_file
from agent.state.history import GPU_COLUMNS, HOST_COLUMNS, LONGEST_SECONDS, HistoryPart
from agent.state.history_query import query
from agent.state.idle import idle_part
from agent.state.keeper import PACE, Keeper
from agent.state.restore import restore
from agent.state.schema import SUBJECTS
from agent.state.seen import FORGOTTEN_AFTER
from agent.state.subject import Ageing
from agent.state.xids import XidsPart
from tests.sampling.test_history import EPOCH, snapshot, utilization
from tests.support.readings import reading, with_values

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection

    from agent.state.keeper import Part
    from agent.state.subject import Batch

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def file(tmp_path: Path) -> Connection:
    """One that has just begun."""
    return open_file(tmp_path / "agent.sqlite3")


def write(file: Connection, *batches: Batch, times: int = 2) -> None:
    """More than once: it must come to the same."""
    for _ in range(times):
        with file:
            file.execute("BEGIN")
            for batch in batches:
                for subject, rows in batch:
                    subject.write(file, rows)


def kept(file: Connection, *parts: Part) -> Keeper:
    return Keeper(lambda batch: write(file, batch), parts)


def restored(
    file: Connection, at: float, *, boot: str = "boot", users: bool = True, booted_at: float = EPOCH
) -> Restored:
    """As an agent finds it that starts `at` seconds after the boot."""
    return restore(file, now=booted_at + at, since_boot=at, boot=boot, users=users)


def age(file: Connection, at: float, days: int = 400) -> None:
    for subject in SUBJECTS:
        if subject.age is not None:
            subject.age(file, Ageing(EPOCH + at, days, "boot", 1))


def run(file: Connection, history: History, began: float, seconds: int, step: int = 10) -> Snapshot:
    """An agent that samples from `began` on for so many seconds."""
    keeper = kept(file, HistoryPart(history, began))
    last = snapshot(began, 0)
    for at in range(step, seconds + 1, step):
        last = snapshot(began + at, int(began + at) % 101, 50)
        history.add(last)
        keeper.add(last)
    keeper.end()
    return last


def test_the_columns_of_the_file_are_the_fields_of_the_history_in_their_order() -> None:
    assert len(GPU_COLUMNS) == len(GPU_FIELDS)
    assert len(HOST_COLUMNS) == len(HOST_FIELDS)


def test_the_history_goes_on_with_a_gap(file: Connection) -> None:
    before = History(10)
    last = run(file, before, 0, 600)
    asked = before.read(last, HOUR, last.gpus)
    history = History(10)
    history.restore(restored(file, 900).history)
    for at in (910, 920):
        last = snapshot(at, 1, 2)
        history.add(last)

    found = history.read(last, HOUR, last.gpus)

    taken = [at - EPOCH for at in found.taken_at]
    assert taken == [*range(10, 601, 10), 610, 910, 920]
    assert utilization(found.gpus[0]) == (*utilization(asked.gpus[0])[:60], None, 1, 1)
    assert utilization(found.gpus[1]) == (*[50] * 60, None, 2, 2)


def test_the_history_of_before_a_reboot_is_at_its_time_of_day(file: Connection) -> None:
    run(file, History(10), 5000, 100)
    history = History(10)
    booted_at = EPOCH + 5200  # the machine boots, and its clock begins at 0

    history.restore(restored(file, 30, boot="another", booted_at=booted_at).history)

    now = replace(snapshot(30, 1, 1), taken_at=booted_at + 30)
    history.add(now)
    found = history.read(now, HOUR, now.gpus)
    assert found.taken_at[:10] == tuple(EPOCH + 5000 + at for at in range(10, 101, 10))


def test_what_is_older_than_an_hour_is_not_taken_for_the_last(file: Connection) -> None:
    run(file, History(10), 0, 600)

    assert restored(file, 2 * HOUR).history == []


def test_a_day_is_kept_by_the_minute_and_90_days_by_the_hour_as_means_of_what_was_known(
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

    by_minute = query(file, EPOCH + 7200, DAY, gpus, fields)
    by_hour = query(file, EPOCH + 7200, LONGEST_SECONDS, gpus, fields)

    assert len(by_minute.taken_at) == 121
    assert set(utilization(by_minute.gpus[0])[:60]) == {10.0}
    assert [at % 60 for at in by_minute.taken_at] == [0] * 121
    assert [round(value or 0) for value in utilization(by_hour.gpus[0])][:2] == [10, 30]


def test_a_minute_that_a_restart_parts_is_the_mean_of_both_parts(file: Connection) -> None:
    for began, percent in ((0, 20), (30, 40)):
        history = History(10)
        keeper = kept(file, HistoryPart(history, began))
        for at in (began, began + 10, began + 20):
            history.add(last := snapshot(at + 5, percent))
            keeper.add(last)
        keeper.end()

    found = query(file, EPOCH + 60, DAY, last.gpus, ["utilization.gpu_percent"])

    (mean,) = utilization(found.gpus[0])
    assert mean == pytest.approx((2 * 20 + 2 * 40) / 4, abs=4)  # the first moment of each is the start


def test_a_gap_in_the_file_is_a_gap(file: Connection) -> None:
    run(file, History(10), 0, 120)
    run(file, History(10), 1200, 120)
    last = snapshot(1400, 1, 1)

    found = query(file, EPOCH + 1400, DAY, last.gpus, ["utilization.gpu_percent"])

    assert [at - EPOCH for at in found.taken_at] == [0, 60, 120, 180, 1200, 1260, 1320]
    assert utilization(found.gpus[0])[3] is None
    assert None not in (*utilization(found.gpus[0])[:3], *utilization(found.gpus[0])[4:])


def test_a_gpu_that_the_file_does_not_know_was_not_known(file: Connection) -> None:
    run(file, History(10), 0, 120)
    other = snapshot(130, 1, uuids="x")

    found = query(file, EPOCH + 130, DAY, other.gpus, ["power.usage_watts"])

    assert set(found.gpus[0].columns["power.usage_watts"]) == {None}


def test_a_gpu_that_has_gone_meanwhile_is_kept_for_when_it_was_there(file: Connection) -> None:
    history = History(10)
    keeper = kept(file, HistoryPart(history, 0))
    for at in range(10, 61, 10):
        history.add(last := snapshot(at, 7, 8))
    history.add(last := snapshot(70, 7))
    keeper.add(last)
    keeper.end()

    (uuids,) = {tuple(moment.gpus) for moment in restored(file, 70).history[:6]}
    assert uuids == ("a", "b")


def test_each_level_ages(file: Connection) -> None:
    run(file, History(10), 0, 600)
    age(file, 2 * HOUR)
    steps = {step for (step,) in file.execute("SELECT DISTINCT step FROM gpu_history")}
    assert steps == {60, 3600}
    age(file, 2 * DAY)
    steps = {step for (step,) in file.execute("SELECT DISTINCT step FROM host_history")}
    assert steps == {3600}
    age(file, 91 * DAY)
    assert file.execute("SELECT count(*) FROM gpu_history").fetchone() == (0,)


def with_xids(at: float, **xids: XidCount) -> Snapshot:
    plain = snapshot(at, 1)
    return replace(
        plain,
        gpus=tuple(
            replace(gpu, xids={int(name[1:]): count for name, count in xids.items()}) for gpu in plain.gpus
        ),
    )


def test_xids_are_known_until_the_next_boot(file: Connection) -> None:
    blamed = Blamed(17, "python", "alice")
    part = XidsPart("boot", users=True)
    keeper = Keeper(lambda batch: write(file, batch), (), [part])
    keeper.add(
        with_xids(50, x79=XidCount(1, EPOCH + 40), x31=XidCount(2, EPOCH + 45, XidSource.BOTH, blamed))
    )

    assert restored(file, 60).xids == {
        "a": {
            79: KeptXid(1, 40, XidSource.NVML),
            31: KeptXid(2, 45, XidSource.BOTH, blamed),
        }
    }
    assert restored(file, 60, boot="another").xids == {}
    assert restored(file, 60, boot="").xids == {}
    age(file, 60)
    assert restored(file, 60).xids != {}


def test_an_xid_is_written_at_once_and_only_when_it_is_new() -> None:
    batches: list[Batch] = []
    keeper = Keeper(batches.append, (), [XidsPart("boot", users=True)])
    count = XidCount(1, EPOCH + 40)
    for at, xids in (
        (50, {}),
        (60, {"x79": count}),
        (70, {"x79": count}),
        (80, {"x79": count._replace(times=2)}),
    ):
        keeper.add(with_xids(at, **xids))

    assert [[rows[2:4] for rows in batch[-1].rows] for batch in batches] == [[(79, 1)], [(79, 2)]]


def test_counts_that_this_process_could_not_read_are_not_overwritten_by_less(file: Connection) -> None:
    def tell(at: float, times: int) -> None:
        rows = XidsPart("boot", users=True)(with_xids(at, x79=XidCount(times, EPOCH + at)))
        assert rows is not None
        write(file, (SUBJECT_GPUS, rows))

    from agent.state import gpus

    SUBJECT_GPUS = gpus.rows(snapshot(0, 1))  # noqa: N806
    tell(40, 5)
    tell(90, 1)

    assert restored(file, 100).xids["a"][79] == KeptXid(5, 90, XidSource.NVML)


def on_gpu(at: float, *, sm: int, idle: LedgerReading | None = None, start: int | None = 5) -> Snapshot:
    process = GpuProcess(7, ProcessType.COMPUTE, 2**30, sm, 0, 0, 0)
    known = with_values(reading(identity_uuid="a", utilization_gpu_percent=sm), processes=(process,))
    host = HostProcess(7, "alice", uid=1000, start_ticks=start)
    return Snapshot(
        EPOCH + at,
        at,
        driver=DriverReading(1),
        gpus=(GpuSample(0, GpuState.OK, known),),
        processes=ProcessesReading({7: host}),
        ledger=idle,
        taken_since_boot=at,
    )


def watched(ledger: Ledger, began: float, seconds: int, *, sm: int = 0, start: int | None = 5) -> Snapshot:
    for at in range(0, seconds + 1, 10):
        last = on_gpu(began + at, sm=sm, start=start)
        last = replace(last, ledger=ledger.update(last))
    return last


def ledger(kept: Restored | None = None) -> Ledger:
    return Ledger(sample_interval=1, history_interval=10, kept=kept.processes if kept else None)


def idle_seconds(last: Snapshot) -> float | None:
    assert last.ledger is not None
    return last.ledger.processes["a", 7].idle_seconds


def test_the_idle_time_of_a_process_that_still_runs_goes_on_without_the_time_between(
    file: Connection,
) -> None:
    keeper = kept(file, idle_part("boot"))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()

    after = watched(ledger(restored(file, 900)), 900, 60)

    assert idle_seconds(after) == 660
    assert after.ledger is not None
    assert after.ledger.processes["a", 7].first_seen_at == EPOCH
    assert after.ledger.processes["a", 7].gpu_seconds_held == 60  # a counter of /metrics begins at 0


@pytest.mark.parametrize(
    ("change", "boot", "start", "sm"),
    [
        ("the pid is another process by now", "boot", 6, 0),
        ("the machine has booted", "another", 5, 0),
        ("it works", "boot", 5, 80),
    ],
)
def test_idle_time_is_not_taken_over_where(
    file: Connection, change: str, boot: str, start: int, sm: int
) -> None:
    keeper = kept(file, idle_part("boot"))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()

    after = watched(ledger(restored(file, 900, boot=boot)), 900, 60, sm=sm, start=start)

    assert idle_seconds(after) == (0 if sm else 60), change


def test_a_process_whose_start_is_told_late_is_recognised_then_unless_it_has_worked(file: Connection) -> None:
    keeper = kept(file, idle_part("boot"))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()
    late, worked = (ledger(restored(file, 900)) for _ in range(2))
    watched(late, 900, 10, start=None)
    watched(worked, 900, 10, start=None, sm=50)

    assert idle_seconds(watched(late, 920, 10)) == 630
    assert idle_seconds(watched(worked, 920, 10)) == 20


def test_a_process_that_has_left_is_forgotten_in_the_file_too(file: Connection) -> None:
    keeper = kept(file, idle_part("boot"))
    keeper.add(watched(ledger(), 0, 600))
    keeper.add(replace(snapshot(700, 1), ledger=LedgerReading()))

    assert restored(file, 700).processes == {}


def card(at: float, *, links: int, most: int, width: int, widest: int, gpus: int = 1) -> Snapshot:
    from agent.readings import NvLink, NvLinks

    known = with_values(
        reading(
            identity_uuid="a",
            identity_pci_bus_id="0000:01:00.0",
            pcie_width=width,
            pcie_widest_under_load=widest,
        ),
        nvlink=NvLinks(tuple(NvLink(number, number < links) for number in range(4)), most),
    )
    return replace(
        snapshot(at, 1),
        gpus=(GpuSample(0, GpuState.OK, known),),
        driver=DriverReading(gpus),
        census=GpuCensus(0, 8),
    )


def test_the_most_that_was_seen_is_known_for_14_days_after_it_was_last_reached(file: Connection) -> None:
    keeper = kept(file, seen.rows)
    keeper.add(card(0, links=4, most=4, width=16, widest=16, gpus=8))
    keeper.end()
    later = kept(file, seen.rows)
    later.add(card(10 * DAY, links=2, most=4, width=8, widest=16, gpus=7))
    later.end()

    at = FORGOTTEN_AFTER - 60
    assert restored(file, at).gpu_count == 8
    assert restored(file, at).cards == {("a", "0000:01:00.0"): KeptCard(4, 16)}
    assert restored(file, at + 120) == replace(Restored(), history=[])
    age(file, at + 120)
    assert file.execute("SELECT * FROM seen").fetchall() == []


def test_names_of_users_are_known_again_and_looked_up_all_the_same(file: Connection) -> None:
    keeper = kept(file, names.rows)
    keeper.add(on_gpu(0, sm=0))
    keeper.end()

    assert restored(file, 10).user_names == {1000: "alice"}
    age(file, 401 * DAY)
    assert restored(file, 10).user_names == {}


def test_without_state_users_no_name_is_kept_and_those_of_before_are_deleted(file: Connection) -> None:
    keeper = kept(file, names.rows, XidsPart("boot", users=True))
    blamed = XidCount(1, EPOCH + 5, blamed=Blamed(17, "python", "alice"))
    keeper.add(replace(on_gpu(10, sm=0), gpus=with_xids(10, x31=blamed).gpus))
    keeper.end()
    assert "alice" in "".join(file.iterdump())

    restored(file, 20, users=False)

    assert "alice" not in "".join(file.iterdump())
    rows = XidsPart("boot", users=False)(with_xids(30, x31=blamed))
    assert rows is not None
    assert "alice" not in rows.rows[0]


def test_a_batch_is_handed_over_once_a_minute_and_at_the_end() -> None:
    batches: list[Batch] = []
    history = History(10)
    keeper = Keeper(batches.append, [HistoryPart(history, 0)])
    for at in range(10, 200, 10):
        history.add(last := snapshot(at, 1))
        keeper.add(last)
    assert len(batches) == 3 == 190 // PACE
    keeper.end()

    moments = [row[0] for batch in batches for row in batch[-1].rows if row[1] is None]
    assert moments == [EPOCH + at for at in range(10, 200, 10)]
    assert KeptProcess(5, 0.0, 0.0).idle == 0.0
