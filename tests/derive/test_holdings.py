"""Processes on GPUs and sums of users; unknown values stay unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.derive.holdings import Holding, by_user, holdings, indices_with_unknown_processes, memory_bytes
from agent.readings import (
    GpuProcess,
    GpuSample,
    GpuState,
    HostProcess,
    LedgerReading,
    MigInstance,
    ProcessesReading,
    ProcessType,
    ProcessUse,
    Snapshot,
    UserUse,
)
from tests.support.readings import reading

C = ProcessType.COMPUTE
MIB = 2**20


def gpu(index: int, *processes: GpuProcess, instances: tuple[MigInstance, ...] = ()) -> GpuSample:
    known = reading(identity_uuid=f"GPU-{index}", processes=processes, mig_instances=instances)
    return GpuSample(index, GpuState.OK, known)


def snapshot(*gpus: GpuSample, ledger: LedgerReading | None = None) -> Snapshot:
    processes = ProcessesReading({7: HostProcess(7, "alice"), 8: HostProcess(8, "bob")})
    return Snapshot(0, 0, gpus=gpus, processes=processes, ledger=ledger)


def use(idle: float | None) -> ProcessUse:
    return ProcessUse(first_seen_at=0, gpu_seconds_held=0, idle_seconds=idle)


def held(
    index: int,
    pid: int,
    username: str | None,
    memory: int | None = MIB,
    sm: int | None = 0,
    idle_holder: bool | None = False,
) -> Holding:
    process = GpuProcess(pid, C, memory, sm)
    return Holding(gpu(index), None, process, HostProcess(pid, username), None, idle_holder)


@pytest.mark.parametrize(
    ("idle", "idle_holder"),
    [(None, None), (0.0, False), (899.9, False), (900.0, True), (5000.0, True)],
    ids=["unknown", "working", "not long enough", "just long enough", "long"],
)
def test_an_idle_holder_has_been_idle_for_the_configured_time(
    idle: float | None, idle_holder: bool | None
) -> None:
    ledger = LedgerReading({("GPU-0", 7): use(idle)})
    (one,) = holdings(snapshot(gpu(0, GpuProcess(7, C)), ledger=ledger), [gpu(0, GpuProcess(7, C))], 900)
    assert (one.idle_holder, one.use) == (idle_holder, use(idle))


def test_holdings_are_of_the_selected_gpus_with_values_of_host_and_ledger() -> None:
    first, second = gpu(0, GpuProcess(7, C), GpuProcess(9, C)), gpu(1, GpuProcess(7, C))
    ledger = LedgerReading({("GPU-1", 7): use(1)})
    everything = snapshot(first, second, ledger=ledger)
    assert holdings(everything, everything.gpus, 900) == [
        Holding(first, None, GpuProcess(7, C), HostProcess(7, "alice")),
        Holding(first, None, GpuProcess(9, C), HostProcess(9)),
        Holding(second, None, GpuProcess(7, C), HostProcess(7, "alice"), use(1), False),
    ]
    assert [one.gpu.index for one in holdings(everything, [second], 900)] == [1]
    assert holdings(replace(everything, processes=None, ledger=None), [second], 900) == [
        Holding(second, None, GpuProcess(7, C), HostProcess(7))
    ]


def test_processes_of_a_mig_gpu_are_reported_by_instance() -> None:
    instances = (
        MigInstance(0, processes=(GpuProcess(7, C, 1),)),
        MigInstance(1),  # with a refused process list
        MigInstance(2, processes=(GpuProcess(7, C, 2), GpuProcess(8, C, 3))),
    )
    parent = gpu(0, GpuProcess(7, C, 1), GpuProcess(7, C, 2), GpuProcess(8, C, 3), instances=instances)
    found = holdings(snapshot(parent), [parent], 900)
    assert [(one.mig_index, one.process.pid, one.process.gpu_memory_bytes) for one in found] == [
        (0, 7, 1),
        (2, 7, 2),
        (2, 8, 3),
    ]


def test_gpus_that_do_not_report_their_processes_are_named() -> None:
    lost = GpuSample(1, GpuState.LOST, lasting=reading(identity_uuid="GPU-0"))
    silent = GpuSample(2, GpuState.OK, reading(identity_uuid="GPU-0"))
    partial = replace(gpu(3), reading=reading(processes=(GpuProcess(7, C),), process_list_is_partial=True))
    assert indices_with_unknown_processes([gpu(0), lost, silent, partial]) == [1, 2, 3]
    in_use = replace(gpu(4), reading=reading(processes=(), memory_total_bytes=80, memory_used_bytes=40))
    at_work = replace(gpu(5), reading=reading(processes=(), utilization_gpu_percent=44))
    ghost = replace(
        gpu(6), reading=reading(processes=(), utilization_gpu_percent=100, memory_used_bytes=1 << 20)
    )
    assert indices_with_unknown_processes([gpu(0), in_use, at_work, ghost]) == [4, 5]
    assert holdings(snapshot(lost, silent), [lost, silent], 900) == []
    assert [one.process.pid for one in holdings(snapshot(partial), [partial], 900)] == [7]


def test_the_values_of_a_user_are_sums_over_the_user_s_processes() -> None:
    held_now = [
        held(0, 7, "alice", 100, 30),
        held(0, 8, "alice", 50, 20),
        held(2, 7, "alice", 25, 10, idle_holder=True),
        held(1, 9, "bob", 1, 0),
    ]
    alice, bob = by_user(held_now, {"alice": UserUse(60, 12), "bob": UserUse(5)})
    assert (alice.username, alice.processes, alice.gpus, alice.gpu_memory_bytes) == ("alice", 2, (0, 2), 175)
    assert alice.sm_utilization_percent == (50 + 10) / 2
    assert (alice.use, alice.idle) == (UserUse(60, 12), (held_now[2],))
    assert (bob.username, bob.processes, bob.gpus, bob.idle) == ("bob", 1, (1,), ())


@pytest.mark.parametrize(
    ("utilizations", "mean"),
    [
        pytest.param({0: [80, 70]}, 100, id="at most 100 % of a GPU"),
        pytest.param({0: [10], 1: [None]}, None, id="unknown on one GPU"),
        pytest.param({0: [None, 40]}, None, id="unknown for one process"),
        pytest.param({0: [None]}, None, id="unknown for all"),
        pytest.param({0: [0], 1: [99]}, 49.5, id="0 is a value"),
    ],
)
def test_the_mean_utilization_is_over_the_gpus_of_the_user(
    utilizations: dict[int, list[int | None]], mean: float | None
) -> None:
    rows = [
        held(index, 10 * index + number, "alice", sm=sm)
        for index, percents in utilizations.items()
        for number, sm in enumerate(percents)
    ]
    (alice,) = by_user(rows, None)
    assert alice.sm_utilization_percent == mean


def test_the_memory_sum_is_unknown_if_one_value_is() -> None:
    assert memory_bytes([]) == 0
    assert memory_bytes([held(0, 7, "alice", 1), held(0, 8, "alice", 2)]) == 3
    assert memory_bytes([held(0, 7, "alice", 1), held(0, 8, "alice", None)]) is None


@pytest.mark.parametrize(
    ("idle_holders", "remembered", "idle"),
    [
        pytest.param([True, False], True, 1, id="one of two"),
        pytest.param([None, True], True, 1, id="one idle, one unknown"),
        pytest.param([None, False], True, None, id="one unknown"),
        pytest.param([False, False], True, 0, id="none"),
        pytest.param([None, None], True, None, id="all unknown"),
        pytest.param([], True, 0, id="holds nothing now"),
        pytest.param([None], False, None, id="no ledger"),
    ],
)
def test_idle_holdings_are_unknown_and_not_empty_if_one_may_be_idle(
    idle_holders: list[bool | None], remembered: bool, idle: int | None
) -> None:
    rows = [held(0, pid, "alice", idle_holder=one) for pid, one in enumerate(idle_holders)]
    (alice,) = by_user(rows, {"alice": UserUse(1)} if remembered else None)
    assert (None if alice.idle is None else len(alice.idle)) == idle
    assert (alice.use is None) != remembered


def test_users_are_sorted_by_name_with_the_unknown_user_last_if_present() -> None:
    rows = [held(0, 7, None), held(0, 8, "zoe")]
    uses = {None: UserUse(9), "gone": UserUse(3)}
    assert [(user.username, user.use) for user in by_user(rows, uses)] == [
        ("gone", UserUse(3)),
        ("zoe", UserUse(0)),
        (None, UserUse(9)),
    ]
    assert [user.username for user in by_user(rows[1:], uses)] == ["gone", "zoe"]
    assert by_user([], {}) == []
