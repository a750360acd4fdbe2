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
from agent.state.idle import idle_part
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


def test_an_agent_that_ends_before_it_knows_the_processes_again_forgets_none(file: Connection) -> None:
    keeper = kept(file, idle_part("boot"))
    keeper.add(watched(ledger(), 0, 600))
    keeper.end()
    for at, start in ((900, None), (1000, None)):
        short = kept(file, idle_part("boot"))
        short.add(watched(ledger(restored(file, at)), at, 10, start=start))
        short.end()
    away = kept(file, idle_part("boot"))
    away.add(replace(snapshot(1100, 0), ledger=LedgerReading()))
    away.end()

    assert idle_seconds(watched(ledger(restored(file, 1200)), 1200, 60)) == 660


def test_what_is_known_of_a_boot_before_goes(file: Connection) -> None:
    for boot in ("boot", "another"):
        keeper = kept(file, idle_part(boot))
        keeper.add(
            watched(ledger(), 0, 600)
            if boot == "boot"
            else replace(on_gpu(10, sm=0, start=None), ledger=ledger().update(on_gpu(10, sm=0, start=None)))
        )
        keeper.end()

    assert file.execute("SELECT * FROM idle").fetchall() == []
