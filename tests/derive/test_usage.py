"""Shares of users in a GPU, and hours from their sums."""

from __future__ import annotations

import pytest

from agent.derive.usage import Part, counted, hours, kwh, parts_of, usage_of
from agent.readings import GpuProcess, GpuReading, Mig, MigInstance, ProcessType, UsageSums
from tests.support.readings import reading, with_values

GIB = 2**30
ALICE, BOB = 1001, 1002
OWNERS = {1: ALICE, 2: ALICE, 3: BOB, 4: None}


def process(
    pid: int, sm: int | None = 0, *, memory: int | None = GIB, dram: int | None = 0, encoder: int | None = 0
) -> GpuProcess:
    return GpuProcess(pid, ProcessType.COMPUTE, memory, sm, dram, encoder, 0)


def gpu(*processes: GpuProcess, partial: bool = False) -> GpuReading:
    return reading(
        processes=processes, process_list_is_partial=partial, memory_total_bytes=80 * GIB,
        memory_used_bytes=20 * GIB,
    )  # fmt: skip


def instance(
    mig_index: int, *processes: GpuProcess, gib: int | None = 10, gpu_instance: int | None = None
) -> MigInstance:
    return MigInstance(
        mig_index,
        memory_total_bytes=None if gib is None else gib * GIB,
        processes=processes,
        gpu_instance_id=gpu_instance,
    )


def mig_gpu(*instances: MigInstance) -> GpuReading:
    listed = tuple(process for one in instances for process in one.processes or ())
    return reading(
        processes=listed, mig=Mig(enabled=True, instances=instances), memory_total_bytes=80 * GIB,
    )  # fmt: skip


def part(known: GpuReading, owner: int | None) -> Part:
    parts = parts_of(known, OWNERS)
    assert parts is not None
    return parts.by_owner[owner]


def test_several_processes_of_a_user_are_one_part() -> None:
    known = gpu(process(1, 30), process(2, 20, memory=2 * GIB), process(3, 10))
    assert part(known, ALICE) == Part(1.0, 0.5, False, 3 * GIB)
    assert part(known, BOB) == Part(1.0, 0.1, False, GIB)


def test_a_user_uses_at_most_the_whole_gpu() -> None:
    assert part(gpu(process(1, 80), process(2, 70)), ALICE).used == 1.0


def test_all_users_together_hold_the_gpu_once_with_all_its_memory() -> None:
    parts = parts_of(gpu(process(1, 30), process(3, 10)), OWNERS)
    assert parts is not None
    assert parts.all == Part(1.0, 0.4, False, 20 * GIB)
    assert parts.is_whole


def test_a_gpu_without_a_process_is_held_by_nobody() -> None:
    parts = parts_of(gpu(), OWNERS)
    assert parts is not None
    assert parts.by_owner == {}
    assert parts.all == parts.nobody == Part(0.0, None, None, 20 * GIB)


@pytest.mark.parametrize(
    ("used_bytes", "gpu_percent", "is_whole"),
    [(0, 0, True), (20 * GIB, 0, False), (GIB // 2, 80, False), (0, 100, True)],
    ids=["empty", "memory in use", "at work", "ghost"],
)
def test_a_gpu_in_use_without_a_listed_process_may_be_held_by_somebody(
    used_bytes: int, gpu_percent: int, is_whole: bool
) -> None:
    parts = parts_of(
        with_values(gpu(), memory_used_bytes=used_bytes, utilization_gpu_percent=gpu_percent), OWNERS
    )
    assert parts is not None
    assert parts.is_whole == is_whole


def test_without_a_process_list_the_parts_are_unknown() -> None:
    assert parts_of(reading(), OWNERS) is None


def test_a_partial_process_list_is_not_whole() -> None:
    parts = parts_of(gpu(process(1), partial=True), OWNERS)
    assert parts is not None
    assert not parts.is_whole
    assert parts.by_owner[ALICE].share == 1.0


def test_one_unreported_utilization_makes_the_utilization_of_the_user_unknown() -> None:
    found = part(gpu(process(1, 30), process(2, None)), ALICE)
    assert (found.used, found.is_idle) == (None, None)


def test_one_unreported_process_memory_makes_the_memory_of_the_user_unknown() -> None:
    assert part(gpu(process(1), process(2, memory=None)), ALICE).memory_bytes is None


@pytest.mark.parametrize(
    ("idle", "one"),
    [
        (True, process(1, 0)),
        (False, process(1, 1)),
        (False, process(1, 0, dram=1)),
        (False, process(1, 0, encoder=5)),
    ],
    ids=["no work", "SM", "memory", "encoder"],
)
def test_a_user_is_idle_only_without_work_of_any_kind(idle: bool, one: GpuProcess) -> None:
    assert part(gpu(one), ALICE).is_idle is idle
    assert part(gpu(process(1, 0), one), ALICE).is_idle is idle


def test_processes_without_a_known_user_are_one_part() -> None:
    assert part(gpu(process(4, 5), process(99, 6)), None) == Part(1.0, 0.11, False, 2 * GIB)


def test_a_mig_instance_counts_by_its_share_of_memory() -> None:
    known = mig_gpu(
        instance(0, process(1, None)), instance(1, process(2, None), gib=20), instance(2, process(3))
    )
    assert part(known, ALICE).share == pytest.approx(30 / 80)
    assert part(known, BOB).share == pytest.approx(10 / 80)
    parts = parts_of(known, OWNERS)
    assert parts is not None
    assert parts.all.share == pytest.approx(40 / 80)
    assert parts.is_whole


def test_compute_instances_that_share_memory_count_once() -> None:
    known = mig_gpu(instance(0, process(1), gpu_instance=7), instance(1, process(2), gpu_instance=7))
    assert part(known, ALICE).share == pytest.approx(10 / 80)


def test_an_instance_with_unreported_memory_counts_for_nobody() -> None:
    parts = parts_of(mig_gpu(instance(0, process(1), gib=None), instance(1, process(3))), OWNERS)
    assert parts is not None
    assert parts.by_owner.keys() == {BOB}
    assert not parts.is_whole


def test_hours_and_memory_are_only_of_the_reported_times() -> None:
    sums = counted(UsageSums(), Part(1.0, 0.5, False, 4 * GIB), 1800)
    sums = counted(sums, Part(1.0, None, None, None), 3600)
    sums = counted(sums, Part(1.0, 0.0, True, 2 * GIB), 1800)
    found = usage_of(sums, watched=True)
    assert (found.hours_held, found.hours_told) == (2.0, 1.0)
    assert (found.hours_used, found.hours_idle) == (0.25, 0.5), "never scaled up"
    assert (found.memory_mean_bytes, found.memory_peak_bytes) == (3 * GIB, 4 * GIB)


def test_hours_that_were_never_reported_are_unknown() -> None:
    found = usage_of(counted(UsageSums(), Part(0.125), 3600), watched=False)
    assert found.hours_held == 0.125
    assert found[2:] == (None, None, None, None)


def test_energy_that_was_never_reported_is_unknown() -> None:
    assert kwh(None) is None
    assert kwh(7.2e6) == 2.0
    assert hours(5400) == 1.5
