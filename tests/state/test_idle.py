"""The idle time of a process continues after a short restart in the same boot, else it begins anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.readings import (
    DriverReading,
    GpuProcess,
    GpuSample,
    GpuState,
    HostProcess,
    LedgerReading,
    ProcessesReading,
    ProcessType,
    ProcessUse,
    Snapshot,
)
from agent.readings.restored import KeptProcess
from agent.sampling.ledger import Ledger
from agent.state.idle import IdlePart
from tests.sampling.test_history import EPOCH, snapshot
from tests.state.files import HOUR, kept, restored
from tests.support.readings import reading

if TYPE_CHECKING:
    from sqlite3 import Connection

    from agent.readings.restored import Restored


def on_gpu(
    at: float, *, sm: int | None, idle: LedgerReading | None = None, start: int | None = 5
) -> Snapshot:
    process = GpuProcess(7, ProcessType.COMPUTE, 2**30, sm, 0, 0, 0)
    known = reading(
        sampled_since_boot=at, identity_uuid="a", utilization_gpu_percent=sm, processes=(process,)
    )
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


def watched(
    ledger: Ledger, began: float, seconds: int, *, sm: int | None = 0, start: int | None = 5
) -> Snapshot:
    for at in range(0, seconds + 1, 10):
        last = on_gpu(began + at, sm=sm, start=start)
        last = replace(last, ledger=ledger.update(last))
    return last


def ledger(kept: Restored | None = None) -> Ledger:
    return Ledger(sample_interval=1, history_interval=10, kept=kept.processes if kept else None)


def idle_seconds(last: Snapshot) -> float | None:
    assert last.ledger is not None
    return last.ledger.processes["a", 7].idle_seconds


@pytest.mark.parametrize(
    ("began", "idle"),
    [
        pytest.param(605, 665, id="a restart"),
        pytest.param(630, 690, id="three history intervals"),
        pytest.param(631, 60, id="longer, it may have worked"),
        pytest.param(600 + 8 * HOUR, 60, id="a night"),
    ],
)
def test_the_idle_time_of_a_running_process_continues_if_there_was_no_agent_for_a_moment(
    file: Connection, began: float, idle: float
) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()

    after = watched(ledger(restored(file, began)), began, 60)

    assert idle_seconds(after) == idle
    assert after.ledger is not None
    assert after.ledger.processes["a", 7].first_seen_at == EPOCH
    assert after.ledger.processes["a", 7].gpu_seconds_held == 60  # a counter of /metrics begins at 0


@pytest.mark.parametrize("sm", [80, None], ids=["it worked", "unknown"])
def test_what_was_not_known_to_be_idle_begins_anew(file: Connection, sm: int | None) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    one = ledger()
    watched(one, 0, 600)
    keeper.add(watched(one, 610, 0, sm=sm))
    keeper.end()

    assert idle_seconds(watched(ledger(restored(file, 615)), 615, 60)) == 60


def test_a_reading_that_is_repeated_is_as_old_as_it_is(file: Connection) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    one = ledger()
    last = watched(one, 0, 600)
    repeated = replace(last, taken_at=EPOCH + 625, taken_monotonic=625.0, taken_since_boot=625.0)
    keeper.add(replace(repeated, ledger=one.update(repeated)))
    keeper.end()

    assert idle_seconds(watched(ledger(restored(file, 650)), 650, 60)) == 60


def test_work_is_kept_also_while_the_host_does_not_describe_the_process(file: Connection) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    one = ledger()
    keeper.add(watched(one, 0, 600))
    keeper.end()
    keeper.add(watched(one, 610, 0, sm=80, start=None))
    keeper.end()

    assert idle_seconds(watched(ledger(restored(file, 615)), 615, 60)) == 60


def test_a_clock_that_was_set_back_while_no_agent_ran_adds_no_idle_time(file: Connection) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()

    after = watched(ledger(restored(file, 900, booted_at=EPOCH - HOUR)), 900, 60)

    assert idle_seconds(after) == 60


@pytest.mark.parametrize(
    ("change", "boot", "start", "sm"),
    [
        ("the pid was reused", "boot", 6, 0),
        ("the machine was booted", "another", 5, 0),
        ("the process works", "boot", 5, 80),
    ],
)
def test_idle_time_is_not_restored_for_another_process_or_boot_or_after_work(
    file: Connection, change: str, boot: str, start: int, sm: int
) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()

    after = watched(ledger(restored(file, 605, boot=boot)), 605, 60, sm=sm, start=start)

    assert idle_seconds(after) == (0 if sm else 60), change


def test_a_process_with_a_late_start_time_is_recognized_unless_it_has_worked(
    file: Connection,
) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()
    late, worked, another = (ledger(restored(file, 605)) for _ in range(3))
    watched(late, 605, 10, start=None)
    watched(worked, 605, 10, start=None, sm=50)
    watched(another, 605, 10, start=None)

    assert idle_seconds(watched(late, 625, 10)) == 635
    assert idle_seconds(watched(worked, 625, 10)) == 10
    assert idle_seconds(watched(another, 625, 10, start=6)) == 10


def test_an_ended_process_is_deleted_from_the_file(file: Connection) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    keeper.add(watched(ledger(), 0, 600))
    keeper.add(replace(snapshot(700, 1), ledger=LedgerReading()))

    assert restored(file, 700).processes == {}


@pytest.mark.parametrize(
    "incomplete",
    [
        on_gpu(700, sm=0, idle=LedgerReading(), start=None),
        replace(on_gpu(700, sm=0, idle=LedgerReading()), gpus=(GpuSample(0, GpuState.STUCK, None),)),
        replace(on_gpu(700, sm=0, idle=LedgerReading()), driver=None, gpus=()),
    ],
    ids=["the start of the process", "the GPU", "the driver"],
)
def test_values_missing_in_the_last_snapshot_are_kept(file: Connection, incomplete: Snapshot) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    for last in (watched(ledger(), 0, 600), incomplete):
        keeper.add(last)
        keeper.end()

    assert restored(file, 700).processes["a", 7] == KeptProcess(5, 0.0, observed_at=600.0, idle_since=0.0)


@pytest.mark.parametrize("processes", [ProcessesReading({7: HostProcess(7, start_ticks=5)}), None])
def test_a_process_that_may_have_worked_keeps_when_it_was_first_seen(
    file: Connection, processes: ProcessesReading | None
) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    unknown = on_gpu(700, sm=0, idle=LedgerReading({("a", 7): ProcessUse(EPOCH, 0.0)}))
    for last in (watched(ledger(), 0, 600), replace(unknown, processes=processes)):
        keeper.add(last)
        keeper.end()

    assert restored(file, 700).processes["a", 7] == KeptProcess(5, 0.0, observed_at=700.0, idle_since=None)


def test_nothing_is_written_without_a_ledger_or_without_the_id_of_the_boot() -> None:
    assert IdlePart("boot", {})(on_gpu(10, sm=0)) is None
    assert IdlePart("", {})(on_gpu(10, sm=0, idle=LedgerReading())) is None
    assert IdlePart("boot", {})(on_gpu(10, sm=0, idle=LedgerReading())) is not None


def test_an_agent_that_ends_before_it_reads_a_gpu_deletes_nothing(file: Connection) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()
    short = kept(file, IdlePart("boot", restored(file, 700).processes))
    short.add(replace(on_gpu(700, sm=0, idle=LedgerReading()), driver=None, gpus=()))
    short.end()

    assert restored(file, 800).processes["a", 7] == KeptProcess(5, 0.0, observed_at=600.0, idle_since=0.0)
