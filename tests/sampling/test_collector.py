"""One sampling round: which workers run, how long it may take, and the Snapshot."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent.readings import GpuState
from agent.sampling.collector import MAX_WAIT, Collector
from tests.support.agents import wait_until
from tests.support.clock import Shifted
from tests.support.sources import FakeHardware

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent.readings import Snapshot

DRIVER_PACE = 5.0

pytestmark = pytest.mark.anyio

# Seconds by which a loaded machine may delay an answer, in addition to MAX_WAIT.
SCHEDULING = 1.0


@asynccontextmanager
async def collecting(
    hardware: FakeHardware,
    clock: Callable[[], float] | None = None,
    history_interval: float = 0,
    *,
    since_boot: Callable[[], float] | None = None,
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Collector]:
    hardware.clock = clock or time.monotonic
    collector = Collector(
        hardware.driver,
        hardware.open_gpu,
        hardware.host,
        hardware.processes,
        sample_interval=1.0,
        sample_timeout=2.0,
        history_interval=history_interval,
        clock=hardware.clock,
        now=now,
        since_boot=since_boot or hardware.clock,
    )
    try:
        yield collector
    finally:
        hardware.open_all_valves()
        assert collector.close(), "every worker ends once nothing hangs"


async def collect_until(collector: Collector, condition: Callable[[Snapshot], bool]) -> Snapshot:
    """The first Snapshot for which the condition holds: a round does not wait for the driver."""
    async with asyncio.timeout(10):
        while not condition(snapshot := await collector.collect()):
            pass
    return snapshot


def all_ok(snapshot: Snapshot) -> bool:
    return {gpu.state for gpu in snapshot.gpus} == {GpuState.OK}


async def test_the_first_round_has_driver_gpus_and_host() -> None:
    async with collecting(FakeHardware(3)) as collector:
        snapshot = await collector.collect()
    assert snapshot.driver is not None
    assert snapshot.driver.gpu_count == 3
    assert [gpu.state for gpu in snapshot.gpus] == [GpuState.OK] * 3
    assert snapshot.host is not None


async def test_the_processes_listed_in_a_round_are_described_in_the_same_round() -> None:
    hardware = FakeHardware(2)
    async with collecting(hardware) as collector:
        await collector.collect()
        hardware.gpus[0].pids, hardware.gpus[1].pids = (10, 11), (11, 12)
        snapshot = await collector.collect()
    assert set(snapshot.host_processes) == {10, 11, 12}


async def test_a_hung_gpu_delays_rounds_by_a_quarter_second_until_it_is_stuck() -> None:
    hardware = FakeHardware(2)
    clock = Shifted()
    async with collecting(hardware, clock) as collector:
        await collector.collect()
        hardware.gpus[0].valve.close()
        began = time.monotonic()
        snapshot = await collector.collect()
        assert time.monotonic() - began < MAX_WAIT + SCHEDULING
        assert [gpu.state for gpu in snapshot.gpus] == [GpuState.OK, GpuState.OK], "the last values, with age"
        clock.shift = 2.5
        snapshot = await collector.collect()
        assert [gpu.state for gpu in snapshot.gpus] == [GpuState.STUCK, GpuState.OK]
        assert snapshot.gpus[0].identity.uuid == "GPU-0"
        assert snapshot.gpus[0].reading is None
        assert snapshot.gpus[1].reading is not None
        assert snapshot.gpus[1].reading.thermal.gpu_celsius == 3, "the other GPU is read in every round"
        hardware.gpus[0].valve.open()
        wait_until(lambda: not collector._contact.gpus[0].worker.busy_since, "the hung call is back")  # noqa: SLF001
        snapshot = await collector.collect()
        assert [gpu.state for gpu in snapshot.gpus] == [GpuState.OK, GpuState.OK]


async def test_a_driver_that_hangs_at_first_contact_gives_an_empty_snapshot_in_time() -> None:
    hardware = FakeHardware()
    hardware.driver.valve.close()
    async with collecting(hardware) as collector:
        began = time.monotonic()
        snapshot = await collector.collect()
        assert time.monotonic() - began < MAX_WAIT + SCHEDULING
        assert (snapshot.driver, snapshot.driver_error, snapshot.gpus) == (None, None, ())
        assert snapshot.host is not None, "the host does not wait for the driver"
        hardware.driver.valve.open()
        wait_until(lambda: collector._contact.driver.result, "the driver has answered")  # noqa: SLF001
        assert len((await collector.collect()).gpus) == 2


async def test_a_driver_that_answers_later_is_found_in_the_next_round() -> None:
    hardware = FakeHardware()
    hardware.driver.error = "No NVIDIA driver"
    async with collecting(hardware) as collector:
        assert (await collector.collect()).driver_error == "No NVIDIA driver"
        hardware.driver.error = None
        assert [gpu.state for gpu in (await collector.collect()).gpus] == [GpuState.OK] * 2


async def test_the_gpus_disappear_with_the_driver_and_come_back_with_it() -> None:
    hardware = FakeHardware()
    clock = Shifted()
    async with collecting(hardware, clock) as collector:
        await collector.collect()
        hardware.driver.error = "No NVIDIA driver"
        clock.shift = DRIVER_PACE
        await collect_until(collector, lambda now: (now.driver, now.gpus) == (None, ()))
        hardware.driver.error = None
        assert [gpu.state for gpu in (await collector.collect()).gpus] == [GpuState.OK] * 2
        assert [gpu.releases for gpu in hardware.gpus.values()] == [1, 1], "through a new contact"


async def test_after_a_lost_gpu_the_driver_is_read_first_in_the_next_round() -> None:
    hardware = FakeHardware()
    async with collecting(hardware) as collector:
        await collector.collect()
        assert hardware.driver.reads == 1
        await collector.collect()
        assert hardware.driver.reads == 1, "while all GPUs are ok the driver is read only every few seconds"
        hardware.gpus[1].error = "The GPU is lost"
        snapshot = await collector.collect()
        assert (snapshot.gpus[1].state, snapshot.gpus[1].error) == (GpuState.LOST, "The GPU is lost")
        hardware.gpus[1].error = None
        snapshot = await collector.collect()
        assert hardware.driver.reads == 2
        assert snapshot.gpus[1].state is GpuState.OK


async def test_appearing_and_vanishing_gpus_are_noticed() -> None:
    hardware = FakeHardware(2)
    clock = Shifted()
    async with collecting(hardware, clock) as collector:
        await collector.collect()
        for present in (["A", "B", "C", "D"], ["A", "C", "D"], ["D"], ["A", "B", "C", "D"]):
            hardware.present[:] = present
            clock.shift += DRIVER_PACE
            snapshot = await collect_until(collector, lambda now: len(now.gpus) == len(hardware.present))
            found = [(gpu.index, gpu.identity.uuid, gpu.state) for gpu in snapshot.gpus]
            assert found == [(index, uuid, GpuState.OK) for index, uuid in enumerate(present)]


async def test_a_hung_host_is_left_out_and_does_not_delay_the_others() -> None:
    hardware = FakeHardware()
    clock = Shifted()
    async with collecting(hardware, clock) as collector:
        await collector.collect()
        hardware.host.valve.close()
        assert (await collector.collect()).host is not None, "the last values"
        clock.shift = 3.1
        snapshot = await collector.collect()
        assert snapshot.host is None, "older than three intervals"
        assert snapshot.processes is not None
        assert [gpu.state for gpu in snapshot.gpus] == [GpuState.OK] * 2


async def test_hung_processes_are_left_out_and_do_not_delay_the_others() -> None:
    hardware = FakeHardware()
    clock = Shifted()
    async with collecting(hardware, clock) as collector:
        await collector.collect()
        hardware.processes.valve.close()
        assert (await collector.collect()).processes is not None, "the last values"
        clock.shift = 3.1
        snapshot = await collector.collect()
        assert snapshot.processes is None, "older than three intervals"
        assert snapshot.host is not None
        assert [gpu.state for gpu in snapshot.gpus] == [GpuState.OK] * 2


async def test_a_hung_host_and_hung_processes_do_not_prevent_the_release_of_the_driver() -> None:
    hardware = FakeHardware()
    async with collecting(hardware) as collector:
        await collect_until(collector, all_ok)
        hardware.host.valve.close()
        hardware.processes.valve.close()
        await collector.collect()
        assert await collector.release()
        assert hardware.driver.releases == 1


async def test_release_releases_every_gpu_and_then_the_driver_until_the_next_round() -> None:
    hardware = FakeHardware()
    async with collecting(hardware) as collector:
        await collect_until(collector, all_ok)
        assert await collector.release()
        assert [gpu.releases for gpu in hardware.gpus.values()] == [1, 1]
        assert hardware.driver.releases == 1
        assert len((await collect_until(collector, all_ok)).gpus) == 2
        assert hardware.driver.reads == 2


async def test_after_a_release_a_slow_driver_leaves_the_gpus_starting() -> None:
    """They are not unknown, because they are expected to be the same as before."""
    hardware = FakeHardware()
    async with collecting(hardware) as collector:
        await collect_until(collector, all_ok)
        assert await collector.release()
        hardware.driver.valve.close()
        snapshot = await collector.collect()
        assert snapshot.driver is not None
        assert [(gpu.state, gpu.identity.uuid) for gpu in snapshot.gpus] == [
            (GpuState.STARTING, "GPU-0"),
            (GpuState.STARTING, "GPU-1"),
        ]
        reads = hardware.gpus[0].reads
        hardware.driver.valve.open()
        wait_until(lambda: hardware.driver.reads == 2, "the driver is read")
        await collector.collect()
        assert [gpu.state for gpu in (await collector.collect()).gpus] == [GpuState.OK] * 2
        assert hardware.gpus[0].reads > reads


async def test_a_slow_gpu_is_stale_with_its_true_age_for_rare_requests() -> None:
    hardware = FakeHardware(1)
    clock = Shifted()
    async with collecting(hardware, clock, history_interval=10) as collector:
        await collector.collect()
        clock.shift += 10
        hardware.gpus[0].valve.close()
        (gpu,) = (await collector.collect()).gpus
        assert gpu.state is GpuState.STALE
        assert gpu.reading is not None
        assert gpu.age_ms is not None
        assert 10_000 <= gpu.age_ms <= 11_000, "with its true age"


async def test_a_driver_that_comes_and_goes_during_a_hung_call_leaves_no_thread_behind() -> None:
    hardware = FakeHardware(2)
    clock = Shifted()
    async with collecting(hardware, clock) as collector:
        await collector.collect()
        hardware.gpus[0].valve.close()
        await collector.collect()
        threads = threading.active_count()
        for _ in range(5):
            hardware.driver.error = "No NVIDIA driver"
            clock.shift += DRIVER_PACE
            await collect_until(collector, lambda now: now.driver is None)
            hardware.driver.error = None
            snapshot = await collect_until(collector, lambda now: now.driver is not None)
        assert threading.active_count() == threads
        assert [gpu.state for gpu in snapshot.gpus] == [GpuState.STUCK, GpuState.OK]
        assert not collector.close(), "the hung call is still known"


async def test_nothing_is_released_while_a_call_of_an_earlier_contact_hangs() -> None:
    hardware = FakeHardware(2)
    clock = Shifted()
    async with collecting(hardware, clock) as collector:
        await collector.collect()
        hardware.gpus[1].valve.close()
        await collector.collect()
        hardware.present[:] = ["GPU-0"]
        clock.shift += DRIVER_PACE
        await collect_until(collector, lambda now: len(now.gpus) == 1)
        assert not await collector.release()
        assert hardware.driver.releases == 0


async def test_nothing_is_released_while_a_call_hangs() -> None:
    hardware = FakeHardware()
    async with collecting(hardware) as collector:
        await collect_until(collector, all_ok)
        hardware.gpus[0].valve.close()
        await collector.collect()
        await collector.release()
        assert hardware.driver.releases == 0


async def test_each_change_of_state_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    hardware = FakeHardware(1)
    hardware.driver.error = "No NVIDIA driver"
    with caplog.at_level(logging.INFO, logger="agent"):
        async with collecting(hardware) as collector:
            for _ in range(3):
                await collector.collect()
            hardware.driver.error = None
            for error in (None, None, "The GPU is lost", "The GPU is lost", None, None):
                if hardware.gpus:
                    hardware.gpus[0].error = error
                await collector.collect()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4, lines
    assert "No NVIDIA driver" in lines[0]
    assert "--simulate" in lines[0]
    assert lines[1] == "NVIDIA driver 1.2.3: 1 GPU"
    assert lines[2] == "GPU 0 (GPU-0) is lost. The GPU is lost"
    assert lines[3] == "GPU 0 (GPU-0) is ok again"


async def test_a_hung_host_and_hung_processes_are_one_line_each_and_so_is_their_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hardware = FakeHardware()
    clock = Shifted()
    async with collecting(hardware, clock) as collector:
        await collector.collect()
        with caplog.at_level(logging.INFO, logger="agent"):
            hardware.host.valve.close()
            hardware.processes.valve.close()
            for _ in range(4):
                await collector.collect()
                clock.shift += 1
            hardware.host.valve.open()
            hardware.processes.valve.open()
            wait_until(lambda: collector._host.busy_since is None, "the host is back")  # noqa: SLF001
            wait_until(lambda: collector._processes.busy_since is None, "the processes too")  # noqa: SLF001
            await collector.collect()
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "The host has not answered for 2 s: its values are unknown",
        "The process table has not answered for 2 s: users and commands are unknown",
        "The host answers again",
        "The process table answers again",
    ]


async def test_close_reports_a_hung_call_and_does_not_wait_for_it() -> None:
    hardware = FakeHardware()
    async with collecting(hardware) as collector:
        await collector.collect()
        hardware.gpus[0].valve.close()
        await collector.collect()
        began = time.monotonic()
        assert not collector.close()
        assert time.monotonic() - began < 1.0


async def test_the_time_of_a_snapshot_moves_when_the_wall_clock_is_set() -> None:
    wall = [1_000_050.0]
    async with collecting(FakeHardware(1), since_boot=lambda: 50.0, now=lambda: wall[0]) as collector:
        before = await collector.collect()
        wall[0] += 3600
        after = await collector.collect()

    assert (before.taken_at, after.taken_at) == (1_000_050, 1_003_650)
