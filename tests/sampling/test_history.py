"""One hour in memory: fine at the end, coarse before, bounded, with gaps."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent.readings import DriverReading, GpuSample, GpuState, HostReading, Snapshot
from agent.sampling.history import GPU_FIELDS, History
from tests.support.readings import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.readings import GpuSeries

FINE_SECONDS = 300.0  # in which every Snapshot is kept; before, one for each interval
HISTORY_SECONDS = 3600.0

EPOCH = 1_757_926_800.0
GIB = 2**30


def snapshot(
    at: float,
    *utilization: int | None,
    uuids: Sequence[str] = "abcdefgh",
    power_watts: float = 99.5,
    memory_used_bytes: int = 3 * GIB,
) -> Snapshot:
    """A Snapshot at this second, of GPUs with these utilizations; None: the GPU cannot be read."""
    gpus = []
    for index, percent in enumerate(utilization):
        known = reading(
            sampled_since_boot=at,
            identity_uuid=uuids[index],
            memory_used_bytes=memory_used_bytes + index,  # each GPU has its own number
            utilization_gpu_percent=percent,
            power_usage_watts=power_watts + index,
        )
        if percent is not None:
            gpus.append(GpuSample(index, GpuState.OK, known))
        else:
            gpus.append(GpuSample(index, GpuState.LOST, lasting=known.lasting()))
    return Snapshot(EPOCH + at, at, driver=DriverReading(len(gpus)), gpus=tuple(gpus), taken_since_boot=at)


def utilization(gpu: GpuSeries) -> Sequence[float | None]:
    return gpu.columns["utilization.gpu_percent"]


def filled(history: History, seconds: int, step: float = 1.0) -> Snapshot:
    last = snapshot(0, 0)
    for number in range(int(seconds / step) + 1):
        last = snapshot(number * step, number % 101)
        history.add(last)
    return last


def test_each_value_belongs_to_its_time() -> None:
    history = History(10)
    history.add(snapshot(0, 5, 50))
    last = snapshot(1, 6, None)
    history.add(last)

    found = history.read(last, 60, last.gpus)

    assert found.taken_at == (EPOCH, EPOCH + 1)
    assert [gpu.uuid for gpu in found.gpus] == ["a", "b"]
    assert [gpu.columns["utilization.gpu_percent"] for gpu in found.gpus] == [(5, 6), (50, None)]
    assert found.gpus[0].columns["memory.used_bytes"] == (3 * GIB, 3 * GIB)
    assert found.gpus[1].columns["power.usage_watts"] == (100.5, None)


def test_the_last_five_minutes_are_fine_and_earlier_ones_coarse() -> None:
    history = History(10)
    last = filled(history, 1000)

    taken = [at - EPOCH for at in history.read(last, HISTORY_SECONDS, last.gpus).taken_at]

    fine = [at for at in taken if at >= 1000 - FINE_SECONDS]
    coarse = [at for at in taken if at < 1000 - FINE_SECONDS]
    assert fine == [1000 - FINE_SECONDS + second for second in range(int(FINE_SECONDS) + 1)]
    assert coarse[0] == 0, "the first sample is kept"
    assert {round(later - earlier) for earlier, later in pairwise(coarse)} <= {9, 10}
    assert 0 < fine[0] - coarse[-1] <= 10, "up to where the fine part begins"


def test_coarse_times_have_their_own_values() -> None:
    history = History(10)
    last = filled(history, 3600)

    found = history.read(last, HISTORY_SECONDS, last.gpus)

    seconds = [int(at - EPOCH) for at in found.taken_at]
    assert seconds[0] == 0
    assert len(seconds) > 330 + FINE_SECONDS
    assert utilization(found.gpus[0]) == tuple(second % 101 for second in seconds)


@pytest.mark.parametrize("seconds", [1, 60, 300, 3600])
def test_only_the_requested_seconds_are_reported(seconds: float) -> None:
    history = History(10)
    last = filled(history, 4000, step=2)

    taken = history.read(last, seconds, last.gpus).taken_at

    assert last.taken_at - seconds <= min(taken) <= last.taken_at - seconds + 10
    assert max(taken) == last.taken_at


@pytest.mark.slow
def test_one_hour_is_kept_in_bounded_memory() -> None:
    history = History(10)
    last = filled(history, 20_000)

    assert len(history) <= FINE_SECONDS + 1 + HISTORY_SECONDS / 9
    oldest = min(history.read(last, HISTORY_SECONDS, last.gpus).taken_at)
    assert last.taken_at - HISTORY_SECONDS <= oldest <= last.taken_at - HISTORY_SECONDS + 10


@pytest.mark.parametrize(("pause", "moments"), [(30, 2), (30.5, 3)])
def test_more_than_three_intervals_without_a_sample_are_a_gap(pause: float, moments: int) -> None:
    history = History(10)
    history.add(snapshot(0, 5))
    last = snapshot(pause, 6)
    history.add(last)

    assert len(history.read(last, 60, last.gpus).taken_at) == moments


@pytest.mark.parametrize(("age", "moments"), [(3600, 2), (3600.5, 1)])
def test_a_sample_is_kept_for_an_hour_to_the_second(age: float, moments: int) -> None:
    history = History(3600)
    history.add(snapshot(0, 5))
    history.add(snapshot(age, 6))

    assert len(history) == moments


def test_a_gap_is_reported_as_unknown_values() -> None:
    history = History(10)
    history.add(snapshot(0, 5))
    last = snapshot(100, 6)
    history.add(last)

    found = history.read(last, 600, last.gpus)

    assert found.taken_at == (EPOCH, EPOCH + 10, EPOCH + 100)
    assert utilization(found.gpus[0]) == (5, None, 6)
    assert found.host["cpu_percent"] == (None,) * 3


def test_newer_samples_are_handed_over_once_an_interval_and_can_be_restored() -> None:
    before = History(10)
    last = filled(before, 40)

    kept = before.since(10, 10)
    assert [moment.since_boot for moment in kept] == [19, 28, 37]
    assert [moment.since_boot for moment in before.since(10, None)] == [11, 20, 29, 38]
    history = History(10)
    history.restore(kept)
    history.add(last)
    found = history.read(last, 60, last.gpus)
    assert utilization(found.gpus[0]) == (19, 28, 37, 40)


def test_a_gpu_is_followed_by_its_uuid() -> None:
    history = History(10)
    history.add(snapshot(0, 5, 50))
    last = snapshot(1, 51, uuids="b")
    history.add(last)

    (gpu,) = history.read(last, 60, last.gpus).gpus

    assert (gpu.index, gpu.uuid, utilization(gpu)) == (0, "b", (50, 51))


@pytest.mark.parametrize(
    ("earlier", "now", "is_same"),
    [
        ((None, "bus 0", 0), (None, "bus 0", 1), True),
        ((None, "bus 0", 0), (None, "bus 1", 0), False),
        ((None, "bus 0", 0), ("a", "bus 0", 0), True),  # its UUID was not reported at first
        (("a", "bus 0", 0), (None, "bus 0", 0), True),  # or no longer
        (("a", "bus 0", 0), ("b", "bus 0", 0), False),  # another card in the same slot
        ((None, None, 0), (None, None, 0), True),
        ((None, None, 0), (None, None, 1), False),
        (("a", None, 0), (None, None, 0), False),  # after a reset an index may mean another GPU
        ((None, "bus 0", 0), (None, None, 0), False),
    ],
)
def test_a_gpu_without_uuid_is_followed_by_its_bus_id_and_then_by_its_index(
    earlier: tuple[str | None, str | None, int], now: tuple[str | None, str | None, int], *, is_same: bool
) -> None:
    history = History(10)
    for at, (uuid, bus_id, index) in enumerate((earlier, now)):
        known = reading(
            identity_uuid=uuid,
            identity_pci_bus_id=bus_id,
            utilization_gpu_percent=50 + at,
            sampled_since_boot=at,
        )
        gpus = (GpuSample(index, GpuState.OK, known),)
        last = Snapshot(EPOCH + at, at, gpus=gpus, taken_since_boot=at)
        history.add(last)

    (gpu,) = history.read(last, 60, last.gpus).gpus

    assert utilization(gpu) == ((50, 51) if is_same else (None, 51))


def test_every_field_is_kept_exactly() -> None:
    """All digits are kept, up to 2^53 - 1 bytes of memory."""
    values = {field: 1.1 + number for number, field in enumerate(GPU_FIELDS)} | {
        "memory.used_bytes": 2**53 - 1
    }
    known = reading(**{field.replace(".", "_"): value for field, value in values.items()})
    host = HostReading("host", cpu_percent=43.7, memory_used_bytes=2**40 + 1)
    last = Snapshot(EPOCH, 0.0, gpus=(GpuSample(0, GpuState.OK, known),), host=host)
    history = History(10)
    history.add(last)

    found = history.read(last, 60, last.gpus)

    assert found.gpus[0].columns == {field: (value,) for field, value in values.items()}
    assert found.host == {"cpu_percent": (43.7,), "memory_used_bytes": (2**40 + 1,)}
    only = history.read(last, 60, last.gpus, ["fans.speed_percent"]).gpus[0]
    assert list(only.columns) == ["fans.speed_percent"]


@pytest.mark.parametrize(
    ("gpus", "interval", "megabytes"),
    [
        (8, 10.0, 1),
        (128, 10.0, 15),
        pytest.param(8, 1.0, 4, marks=pytest.mark.slow),
        pytest.param(128, 1.0, 50, marks=pytest.mark.slow),
    ],
)
def test_memory_is_bounded_as_documented(gpus: int, interval: float, megabytes: int) -> None:
    """Half a second between samples."""
    history, seen = History(interval), snapshot(0, *[7] * gpus, uuids=[f"{index}" for index in range(gpus)])
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    coarse = [number * interval for number in range(int(3400 / interval))]
    fine = [3400 + number / 2 for number in range(int(2 * FINE_SECONDS))]
    for at in coarse + fine:
        history.add(replace(seen, taken_since_boot=at))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert after - before < megabytes * 10**6


def test_a_stale_reading_is_a_gap() -> None:
    """A stale GPU shows its last values with their age, but in the history they are not new."""
    history = History(10.0)
    history.add(snapshot(0, 50))
    late = snapshot(1, 50)
    history.add(replace(late, gpus=(replace(late.gpus[0], state=GpuState.STALE),)))
    last = snapshot(2, 60)
    history.add(last)

    (gpu,) = history.read(last, 60, last.gpus).gpus

    assert list(utilization(gpu)) == [50, None, 60]
