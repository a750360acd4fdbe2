"""Idle time goes on after a restart, of the same process in the same boot, without the time between."""

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
    Snapshot,
)
from agent.sampling.ledger import Ledger
from agent.state.idle import IdlePart
from tests.sampling.test_history import EPOCH, snapshot
from tests.state.files import kept, restored
from tests.support.readings import reading, with_values

if TYPE_CHECKING:
    from sqlite3 import Connection

    from agent.readings.restored import Restored


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
    keeper = kept(file, IdlePart("boot", {}))
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
    keeper = kept(file, IdlePart("boot", {}))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()

    after = watched(ledger(restored(file, 900, boot=boot)), 900, 60, sm=sm, start=start)

    assert idle_seconds(after) == (0 if sm else 60), change


def test_a_process_whose_start_is_reported_late_is_recognised_then_unless_it_has_worked(
    file: Connection,
) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()
    late, worked = (ledger(restored(file, 900)) for _ in range(2))
    watched(late, 900, 10, start=None)
    watched(worked, 900, 10, start=None, sm=50)

    assert idle_seconds(watched(late, 920, 10)) == 630
    assert idle_seconds(watched(worked, 920, 10)) == 20


def test_a_process_that_has_left_is_forgotten_in_the_file_too(file: Connection) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    keeper.add(watched(ledger(), 0, 600))
    keeper.add(replace(snapshot(700, 1), ledger=LedgerReading()))

    assert restored(file, 700).processes == {}


@pytest.mark.parametrize(
    "untold",
    [
        on_gpu(700, sm=0, idle=LedgerReading(), start=None),
        replace(on_gpu(700, sm=0, idle=LedgerReading()), gpus=(GpuSample(0, GpuState.STUCK, None),)),
        replace(on_gpu(700, sm=0, idle=LedgerReading()), driver=None, gpus=()),
    ],
    ids=["the start of the process", "the GPU", "the driver"],
)
def test_what_the_last_snapshot_does_not_tell_is_kept_as_it_was(file: Connection, untold: Snapshot) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    for last in (watched(ledger(), 0, 600), untold):
        keeper.add(last)
        keeper.end()

    assert restored(file, 700).processes["a", 7].idle == 600


def test_an_agent_that_ends_before_it_has_seen_a_gpu_takes_nothing_away(file: Connection) -> None:
    keeper = kept(file, IdlePart("boot", {}))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()
    short = kept(file, IdlePart("boot", restored(file, 700).processes))
    short.add(replace(on_gpu(700, sm=0, idle=LedgerReading()), driver=None, gpus=()))
    short.end()

    assert restored(file, 800).processes["a", 7].idle == 600
