"""When samples are taken, and how viewers share them.

At a twentieth of the usual intervals, by a real clock that leaves out a stall of the machine.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from agent.readings import Snapshot
from agent.sampling.collector import MAX_WAIT, Collector
from agent.sampling.pace import Pace
from agent.sampling.sampler import Sampler
from tests.support.agents import wait_until
from tests.support.clock import Shifted
from tests.support.sources import FakeHardware

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


RELEASE_AFTER = 60.0

pytestmark = pytest.mark.anyio

AnyCollector = TypeVar("AnyCollector", bound=Collector)

INTERVAL = 0.05
NO_HEARTBEAT = 60.0


@asynccontextmanager
async def sampling(
    hardware: FakeHardware, *, sample_interval: float = INTERVAL, history_interval: float = 0
) -> AsyncIterator[Sampler]:
    clock = hardware.clock = asyncio.get_running_loop().time
    collector = Collector(
        hardware.driver,
        hardware.open_gpu,
        hardware.host,
        hardware.processes,
        sample_interval=sample_interval,
        sample_timeout=2.0,
        clock=clock,
        since_boot=clock,
    )
    sampler = Sampler(collector, Pace(sample_interval, history_interval), clock=clock, since_boot=clock)
    sampler.start()
    try:
        yield sampler
    finally:
        hardware.open_all_valves()
        assert await sampler.stop(), "every worker ends once nothing hangs"


def now() -> float:
    return asyncio.get_running_loop().time()


async def reads_in(hardware: FakeHardware, seconds: float) -> int:
    """How often GPU 0 is read from now on."""
    before = hardware.gpus[0].reads
    await asyncio.sleep(seconds)
    return hardware.gpus[0].reads - before


async def take(sampler: Sampler, interval: float, number: int) -> list[Snapshot]:
    """The first Snapshots of a stream."""
    taken: list[Snapshot] = []
    async with aclosing(sampler.watch(interval, NO_HEARTBEAT)) as snapshots:
        async for snapshot in snapshots:
            assert snapshot is not None
            taken.append(snapshot)
            if len(taken) == number:
                break
    return taken


async def test_the_driver_is_contacted_at_the_start_without_a_request() -> None:
    hardware = FakeHardware()
    async with sampling(hardware) as sampler:
        assert (await sampler.latest()).driver is not None
        assert hardware.driver.reads == 1


async def test_simultaneous_requests_share_one_sample() -> None:
    hardware = FakeHardware()
    async with sampling(hardware, sample_interval=60) as sampler:  # only these polls take samples
        first = await sampler.latest()
        before = hardware.gpus[0].reads
        snapshots = await asyncio.gather(*(sampler.latest(max_age=0) for _ in range(200)))
        assert len({id(snapshot) for snapshot in snapshots}) == 1
        assert snapshots[0] is not first
        assert hardware.gpus[0].reads == before + 1


async def test_a_recent_sample_answers_a_poll() -> None:
    hardware = FakeHardware()
    async with sampling(hardware, sample_interval=10) as sampler:
        first = await sampler.latest()
        assert await sampler.latest() is first
        assert await sampler.latest(max_age=0) is not first


async def test_looking_for_a_young_sample_takes_none() -> None:
    hardware = FakeHardware()
    async with sampling(hardware, sample_interval=60.0) as sampler:
        assert sampler.fresh() is None
        newest = await sampler.latest()
        reads = hardware.gpus[0].reads
        assert sampler.fresh() is newest
        assert sampler.fresh(max_age=-1.0) is None
        assert hardware.gpus[0].reads == reads


async def test_a_poll_is_answered_in_time_whatever_hangs() -> None:
    hardware = FakeHardware()
    async with sampling(hardware) as sampler:
        await sampler.latest()
        hardware.gpus[0].valve.close()
        hardware.driver.valve.close()
        hardware.host.valve.close()
        hardware.processes.valve.close()
        await asyncio.sleep(2 * INTERVAL)
        began = now()
        await sampler.latest()
        assert now() - began < MAX_WAIT + 1.0


async def test_a_client_that_disconnects_does_not_cancel_the_sample_of_others() -> None:
    hardware = FakeHardware()
    async with sampling(hardware) as sampler:
        await sampler.latest()
        hardware.gpus[0].valve.close()
        leaving = asyncio.create_task(sampler.latest(max_age=0))
        staying = asyncio.create_task(sampler.latest(max_age=0))
        await asyncio.sleep(0)
        leaving.cancel()
        hardware.gpus[0].valve.open()
        assert (await staying).driver is not None


async def test_a_stalled_event_loop_is_counted_as_a_late_sample() -> None:
    """A new viewer, for whom a sample would have been due long ago, does not make it late."""
    hardware = FakeHardware()
    async with sampling(hardware, sample_interval=60, history_interval=60) as sampler:
        await sampler.latest()
        await asyncio.sleep(0.2)
        await take(sampler, 10.0, 1)
        assert sampler.late_samples == 0
        async with aclosing(sampler.watch(0.1, NO_HEARTBEAT)) as snapshots:
            await anext(snapshots)
            await anext(snapshots)
            before = sampler.late_samples
            time.sleep(0.5)  # noqa: ASYNC251  (the stall)
            await anext(snapshots)
            await anext(snapshots)
            assert sampler.late_samples > before


async def test_sampling_continues_for_three_samples_after_a_poll_and_then_stops_until_the_next() -> None:
    hardware = FakeHardware()
    async with sampling(hardware, sample_interval=0.1) as sampler:
        await sampler.latest(max_age=0)
        assert await reads_in(hardware, 0.8) == 3
        assert await reads_in(hardware, 0.5) == 0, "no viewer"
        await sampler.latest(max_age=60)  # which takes none by itself
        assert await reads_in(hardware, 0.2) > 0


async def test_without_viewers_history_is_sampled_at_its_own_pace() -> None:
    hardware = FakeHardware()
    async with sampling(hardware, sample_interval=0.02, history_interval=0.1) as sampler:
        await sampler.latest()
        await asyncio.sleep(0.2)
        began, before = time.monotonic(), hardware.gpus[0].reads
        await asyncio.to_thread(wait_until, lambda: hardware.gpus[0].reads >= before + 5, "it samples")
        assert time.monotonic() - began >= 0.3, "not every 0.02 s"


async def test_a_viewer_is_not_answered_with_an_unwatched_sample() -> None:
    """It is young enough, but some of its values are old."""
    hardware = FakeHardware()
    async with sampling(hardware, sample_interval=0.05, history_interval=0.3) as sampler:
        await sampler.latest()
        gpu = hardware.gpus[0]
        await asyncio.to_thread(wait_until, lambda: gpu.watched.count(False) >= 2, "no viewer")

        await sampler.latest(max_age=60)

        assert gpu.watched[-1]
        assert gpu.watched[0], "first contact reads everything"


async def test_a_viewer_during_an_unwatched_sample_gets_a_new_one_with_all_values() -> None:
    hardware = FakeHardware()
    async with sampling(hardware, sample_interval=0.05, history_interval=0.3) as sampler:
        await sampler.latest()
        gpu = hardware.gpus[0]
        await asyncio.to_thread(wait_until, lambda: gpu.watched.count(False) >= 1, "no viewer")
        gpu.valve.close()
        before = len(gpu.watched)
        await asyncio.to_thread(wait_until, lambda: len(gpu.watched) > before, "a sample begins")
        assert not gpu.watched[-1]

        snapshots = asyncio.gather(*(sampler.latest() for _ in range(20)))
        await asyncio.sleep(0)
        gpu.valve.open()

        assert len({id(snapshot) for snapshot in await snapshots}) == 1
        assert gpu.watched[-1]


async def test_processes_are_read_as_watched_only_with_viewers() -> None:
    hardware = FakeHardware()
    watched = hardware.processes.watched
    async with sampling(hardware, sample_interval=0.02, history_interval=0.1) as sampler:
        await sampler.latest(max_age=0)
        assert watched[-1]
        await asyncio.sleep(0.5)
        assert not watched[-1], "a sample for history alone"
        await take(sampler, 0.05, 2)
        assert watched[-1]


@pytest.mark.parametrize(
    "streams",
    [pytest.param(1, marks=pytest.mark.slow, id="one stream"), pytest.param(50, id="fifty streams")],
)
async def test_any_number_of_streams_costs_the_same_number_of_samples(streams: int) -> None:
    hardware = FakeHardware()
    async with sampling(hardware) as sampler:
        watching = [asyncio.create_task(take(sampler, INTERVAL, 1000)) for _ in range(streams)]
        await asyncio.sleep(2 * INTERVAL)
        assert 14 <= await reads_in(hardware, 20 * INTERVAL) <= 21
        assert all(hardware.gpus[0].watched), "streams are viewers too"
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        await asyncio.sleep(5 * INTERVAL)
        assert await reads_in(hardware, 5 * INTERVAL) == 0, "the last one has left"


async def test_a_stream_starts_at_once_and_never_sends_a_snapshot_twice() -> None:
    async with sampling(FakeHardware()) as sampler:
        await sampler.latest()
        began = now()
        snapshots = await take(sampler, 0.1, 6)
        assert 0.4 <= now() - began <= 2.0
        assert len({snapshot.taken_monotonic for snapshot in snapshots}) == 6


@pytest.mark.measures
async def test_streams_of_mixed_intervals_keep_their_own_pace() -> None:
    intervals = {0.05: 28, 0.1: 14, 0.2: 7, 0.7: 2}
    async with sampling(FakeHardware()) as sampler:
        streams = await asyncio.gather(
            *(take(sampler, interval, number + 1) for interval, number in intervals.items())
        )
    for (interval, number), snapshots in zip(intervals.items(), streams, strict=True):
        lasted = snapshots[-1].taken_monotonic - snapshots[0].taken_monotonic
        assert lasted == pytest.approx(interval * number, abs=0.3), f"a stream of {interval} s"


async def test_a_slow_reader_gets_only_the_newest_snapshot() -> None:
    async with sampling(FakeHardware()) as sampler:
        quick = asyncio.create_task(take(sampler, INTERVAL, 1000))
        async with aclosing(sampler.watch(INTERVAL, NO_HEARTBEAT)) as slow:
            first = await anext(slow)
            await asyncio.sleep(10 * INTERVAL)
            newest = await sampler.latest()
            second = await anext(slow)
            assert first is not None
            assert second is not None
            assert first.taken_monotonic < newest.taken_monotonic <= second.taken_monotonic
        quick.cancel()


@pytest.mark.parametrize(
    ("taken", "demand_since", "last_tick", "late"),
    [
        pytest.param(10.25, 0.0, 10.0, 0, id="slightly late: the grid stays"),
        pytest.param(10.75, 0.0, 10.0, 0, id="late"),
        pytest.param(11.0, 0.0, 11.0, 1, id="a whole interval late: a new grid"),
        pytest.param(11.0, 10.5, 11.0, 0, id="for a new viewer"),
        pytest.param(9.75, 0.0, 9.75, 0, id="early"),
    ],
)
async def test_ticks_stay_on_a_grid_and_a_missed_one_is_counted(
    taken: float, demand_since: float, last_tick: float, late: int
) -> None:
    class Taken:
        async def collect(self, **_: bool) -> Snapshot:
            return Snapshot(taken, taken)

    collector: Any = Taken()
    sampler = Sampler(collector, Pace(1.0, 0))
    sampler._tick_interval = 1.0  # noqa: SLF001  (the ticker's own, as the next)
    await sampler._tick(10.0, demand_since)  # noqa: SLF001

    assert (sampler._last_tick, sampler.late_samples) == (last_tick, late)  # noqa: SLF001


async def test_a_silent_stream_sends_heartbeats() -> None:
    async with sampling(FakeHardware()) as sampler, aclosing(sampler.watch(30.0, heartbeat=0.05)) as stream:
        assert await anext(stream) is not None
        assert await anext(stream) is None
        assert await anext(stream) is None


async def test_a_stream_is_silent_while_others_get_their_events() -> None:
    async with sampling(FakeHardware()) as sampler, aclosing(sampler.watch(30.0, heartbeat=0.1)) as stream:
        quick = asyncio.create_task(take(sampler, INTERVAL, 1000))
        assert await anext(stream) is not None
        assert await asyncio.wait_for(anext(stream), timeout=10) is None
        quick.cancel()


async def test_ending_streams_ends_each_after_its_current_event() -> None:
    async with sampling(FakeHardware()) as sampler:
        streams = [asyncio.create_task(take(sampler, 30.0, 1000)) for _ in range(10)]
        await asyncio.sleep(0.1)
        sampler.end_streams()
        ended = await asyncio.wait_for(asyncio.gather(*streams), timeout=10)
        assert [len(snapshots) for snapshots in ended] == [1] * 10


async def test_without_history_the_driver_is_released_after_a_minute_and_read_on_demand() -> None:
    hardware = FakeHardware()
    clock = Shifted()
    hardware.clock = clock
    collector = Collector(
        hardware.driver,
        hardware.open_gpu,
        hardware.host,
        hardware.processes,
        sample_interval=INTERVAL,
        sample_timeout=2.0,
        clock=clock,
        since_boot=clock,
    )
    sampler = Sampler(collector, Pace(INTERVAL, 0), clock=clock, since_boot=clock)
    sampler.start()
    await sampler.latest()
    await asyncio.sleep(5 * INTERVAL)
    assert hardware.driver.releases == 0
    clock.shift = RELEASE_AFTER - 10 * INTERVAL
    sampler._demand_changed.set()  # noqa: SLF001  (the ticker looks at the moved clock)
    await asyncio.to_thread(wait_until, lambda: hardware.driver.releases, "the driver is let go")
    reads = hardware.driver.reads
    assert (await sampler.latest()).gpus
    assert hardware.driver.reads == reads + 1
    assert await sampler.stop()


class Faulty(Collector):
    """Each round raises an internal error, also when it is cancelled, and so does each release."""

    closed = 0

    async def collect(self, *, watched: bool = True) -> Snapshot:  # noqa: ARG002  (not used)
        try:
            await asyncio.sleep(3600)
        finally:
            raise RuntimeError("the round has a fault")

    async def release(self) -> bool:
        raise RuntimeError("the ticker has a fault")

    def close(self) -> bool:
        self.closed += 1
        return super().close()


def sampler_that_releases(kind: Callable[..., AnyCollector]) -> tuple[Sampler, AnyCollector]:
    """A started sampler whose ticker releases the driver at once, and its collector."""
    hardware = FakeHardware()
    collector = kind(
        hardware.driver,
        hardware.open_gpu,
        hardware.host,
        hardware.processes,
        sample_interval=INTERVAL,
        sample_timeout=2.0,
    )
    clock = Shifted()
    sampler = Sampler(collector, Pace(INTERVAL, 0), clock=clock)
    clock.shift = RELEASE_AFTER + 1
    sampler.start()
    return sampler, collector


async def test_streams_continue_after_a_failed_release_of_the_driver(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Stubborn(Collector):
        release_calls = 0

        async def release(self) -> bool:
            self.release_calls += 1
            raise RuntimeError("it has a fault")

    sampler, collector = sampler_that_releases(Stubborn)
    await asyncio.to_thread(wait_until, lambda: collector.release_calls, "the release is called")
    assert len(await asyncio.wait_for(take(sampler, INTERVAL, 3), timeout=10)) == 3
    assert "it has a fault" in caplog.text
    assert await sampler.stop()


@pytest.mark.parametrize("cancelled", [False, True], ids=["stopped", "stopped and cancelled"])
async def test_the_workers_end_even_if_the_last_round_raises(
    cancelled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sampler, collector = sampler_that_releases(Faulty)
    await asyncio.sleep(INTERVAL)
    stopping = asyncio.create_task(sampler.stop())
    await asyncio.sleep(0)
    if cancelled:
        stopping.cancel()
    await asyncio.wait([stopping])
    assert stopping.cancelled() == cancelled
    assert collector.closed == 1
    if not cancelled:
        assert stopping.result(), "every worker ended"
        assert "the round has a fault" in caplog.text
        assert "the ticker has a fault" in caplog.text
