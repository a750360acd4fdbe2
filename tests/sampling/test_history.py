"""An hour in memory: fine at the end, coarse before, bounded, with its gaps."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest

from agent.readings import DriverReading, GpuSample, GpuState, Snapshot
from agent.sampling.history import FINE_SECONDS, HISTORY_SECONDS, History
from tests.support.readings import reading

EPOCH = 1_757_926_800.0
GIB = 2**30


def snapshot(
    at: float,
    *utilization: int | None,
    uuids: str = "abcdefgh",
    power_watts: float = 99.5,
    memory_used_bytes: int = 3 * GIB,
) -> Snapshot:
    """GPUs with these utilizations at so many seconds; None: it cannot be read."""
    gpus = []
    for index, percent in enumerate(utilization):
        known = reading(
            sampled_since_boot=at,
            identity_uuid=uuids[index],
            memory_used_bytes=memory_used_bytes + index,  # of each GPU a number of its own, as in life
            utilization_gpu_percent=percent,
            power_usage_watts=power_watts + index,
        )
        if percent is not None:
            gpus.append(GpuSample(index, GpuState.OK, known))
        else:
            gpus.append(GpuSample(index, GpuState.LOST, lasting=known.lasting()))
    return Snapshot(EPOCH + at, at, driver=DriverReading(len(gpus)), gpus=tuple(gpus), taken_since_boot=at)


def filled(history: History, seconds: int, step: float = 1.0) -> Snapshot:
    last = snapshot(0, 0)
    for number in range(int(seconds / step) + 1):
        last = snapshot(number * step, number % 101)
        history.add(last)
    return last


def test_every_value_stands_beside_its_moment() -> None:
    history = History(10)
    history.add(snapshot(0, 5, 50))
    last = snapshot(1, 6, None)
    history.add(last)

    found = history.read(last, 60, last.gpus)

    assert found.taken_at == (EPOCH, EPOCH + 1)
    assert [gpu.uuid for gpu in found.gpus] == ["a", "b"]
    assert [gpu.gpu_utilization_percent for gpu in found.gpus] == [(5, 6), (50, None)]
    assert found.gpus[0].memory_used_bytes == (3 * GIB, 3 * GIB)
    assert found.gpus[1].power_watts == (100.5, None)


def test_the_last_minutes_are_fine_and_what_is_before_is_not() -> None:
    history = History(10)
    last = filled(history, 1000)

    taken = [at - EPOCH for at in history.read(last, HISTORY_SECONDS, last.gpus).taken_at]

    fine = [at for at in taken if at >= 1000 - FINE_SECONDS]
    coarse = [at for at in taken if at < 1000 - FINE_SECONDS]
    assert fine == [1000 - FINE_SECONDS + second for second in range(int(FINE_SECONDS) + 1)]
    assert coarse[0] == 0, "the first moment is remembered"
    assert {round(later - earlier) for earlier, later in pairwise(coarse)} <= {9, 10}
    assert 0 < fine[0] - coarse[-1] <= 10, "up to where the fine part begins"


def test_what_is_coarse_keeps_its_own_values() -> None:
    history = History(10)
    last = filled(history, 3600)

    found = history.read(last, HISTORY_SECONDS, last.gpus)

    seconds = [int(at - EPOCH) for at in found.taken_at]
    assert seconds[0] == 0
    assert len(seconds) > 330 + FINE_SECONDS
    assert found.gpus[0].gpu_utilization_percent == tuple(second % 101 for second in seconds)


@pytest.mark.parametrize("seconds", [1, 60, 300, 3600])
def test_only_what_was_asked_for_is_told(seconds: float) -> None:
    history = History(10)
    last = filled(history, 4000, step=2)

    taken = history.read(last, seconds, last.gpus).taken_at

    assert last.taken_at - seconds <= min(taken) <= last.taken_at - seconds + 10
    assert max(taken) == last.taken_at


def test_an_hour_is_kept_and_no_more() -> None:
    history = History(10)
    last = filled(history, 20_000)

    assert len(history) <= FINE_SECONDS + 1 + HISTORY_SECONDS / 9
    oldest = min(history.read(last, HISTORY_SECONDS, last.gpus).taken_at)
    assert last.taken_at - HISTORY_SECONDS <= oldest <= last.taken_at - HISTORY_SECONDS + 10


def test_a_gap_is_told_as_one() -> None:
    history = History(10)
    history.add(snapshot(0, 5))
    last = snapshot(100, 6)
    history.add(last)

    found = history.read(last, 600, last.gpus)

    assert found.taken_at == (EPOCH, EPOCH + 10, EPOCH + 100)
    assert found.gpus[0].gpu_utilization_percent == (5, None, 6)


def test_a_gpu_is_followed_by_its_uuid() -> None:
    history = History(10)
    history.add(snapshot(0, 5, 50))
    last = snapshot(1, 51, uuids="b")
    history.add(last)

    (gpu,) = history.read(last, 60, last.gpus).gpus

    assert (gpu.index, gpu.uuid, gpu.gpu_utilization_percent) == (0, "b", (50, 51))


@pytest.mark.parametrize(
    ("interval", "mib"),
    [(10.0, 2), pytest.param(1.0, 8, marks=pytest.mark.slow)],
    ids=["default", "shortest"],
)
def test_memory_is_bounded_as_the_readme_says(interval: float, mib: int) -> None:
    """Eight GPUs, half a second between samples, no value like the one before."""
    history = History(interval)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    coarse = [number * interval for number in range(int(3400 / interval))]
    fine = [3400 + number / 2 for number in range(int(2 * FINE_SECONDS))]
    for number, at in enumerate(coarse + fine):
        history.add(snapshot(at, *range(8), power_watts=number / 7, memory_used_bytes=GIB + number))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert after - before < mib * 2**20
