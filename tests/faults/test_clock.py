"""The wall clock is set, or the machine is suspended: samples stay in order, and ages stay correct.

Ages and idle time use the clock that counts suspended time, rates the clock that does not. Neither changes
when the wall clock is set.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent.derive.health import examine
from agent.readings import GpuState
from agent.sampling.collector import Collector
from agent.sampling.history import History
from agent.sampling.ledger import Ledger
from agent.sampling.pace import Pace
from agent.sampling.sampler import Sampler
from agent.sampling.xid_watch import XidWatch
from agent.simulation import SimulatedProcess, Simulation
from agent.sources.gpu import GpuSource
from agent.sources.gpu.xid import XidEventSource
from agent.sources.host import HostSource
from agent.sources.nvml import DriverSource
from agent.sources.process_source import ProcessSource
from tests.sampling.test_collector import collecting
from tests.support.agents import wait_until
from tests.support.sources import FakeHardware

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from agent.readings import Snapshot

pytestmark = pytest.mark.anyio

START = 1_760_000_000.0  # seconds since the epoch when the machine booted
PROCESS_PACE = 2.0
HOUR = 3600.0


class Time:
    """The monotonic clock, the clock that also counts suspended time, and the wall clock that can be set."""

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.suspended = 0.0
        self.ahead = 0.0

    def clock(self) -> float:
        return self.monotonic

    def since_boot(self) -> float:
        return self.monotonic + self.suspended

    def now(self) -> float:
        return START + self.since_boot() + self.ahead


@dataclass
class World:
    """Two simulated GPUs, and the collector that samples them by this time."""

    time: Time
    simulation: Simulation
    history: History = field(default_factory=lambda: History(10.0))

    def __post_init__(self) -> None:
        time = self.time
        self.xids = XidWatch(XidEventSource(), since_boot=time.since_boot)
        self.collector = Collector(
            DriverSource(),
            lambda index: GpuSource(index, clock=time.clock, now=time.now, since_boot=time.since_boot),
            HostSource(clock=time.clock),
            ProcessSource(clock=time.clock, pids_are_ours=True),
            sample_interval=1.0,
            sample_timeout=2.0,
            history_interval=10.0,
            ledger=Ledger(sample_interval=1.0, history_interval=10.0),
            history=self.history,
            xids=self.xids,
            clock=time.clock,
            now=time.now,
            since_boot=time.since_boot,
        )

    async def sample(self, after: float = PROCESS_PACE) -> Snapshot:
        """A Snapshot this many seconds later."""
        self.time.monotonic += after
        return await self.collector.collect()

    def report(self, xid: int) -> None:
        """Let GPU 0 report this XID error now."""
        uuid = self.simulation.gpus[0].values.uuid
        wait_until(lambda: self.xids.counts(uuid, 0.0) is not None, "the GPU is listened to")
        self.simulation.gpus[0].raise_xid(xid)
        wait_until(lambda: xid in (self.xids.counts(uuid, 0.0) or {}), "the XID is received")

    def history_ages(self, snapshot: Snapshot) -> list[float]:
        """The times of the samples of the last hour in /history, in seconds before this Snapshot."""
        moments = self.history.read(snapshot, HOUR, snapshot.gpus).taken_at
        assert list(moments) == sorted(moments)
        return [snapshot.taken_at - moment for moment in moments]


@contextmanager
def watched() -> Iterator[World]:
    time = Time()
    with Simulation(2, clock=time.clock, wall_clock=time.now) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(pid=1, memory_bytes=2**30, sm_utilization=30)]
        simulation.gpus[0].fix(pcie_tx=1024)
        world = World(time, simulation)
        try:
            yield world
        finally:
            world.collector.close()


SET = pytest.mark.parametrize(
    "seconds", [pytest.param(-HOUR, id="back an hour"), pytest.param(HOUR, id="forward an hour")]
)


@SET
async def test_setting_the_wall_clock_changes_nothing_but_the_times(seconds: float) -> None:
    with watched() as world:
        await world.sample()
        before = await world.sample()
        world.time.ahead = seconds
        after = await world.sample()
    assert after.taken_at - before.taken_at == PROCESS_PACE + seconds
    assert after.gpus
    for gpu in after.gpus:
        assert (gpu.state, gpu.age_ms) == (GpuState.OK, 0)
        assert gpu.sampled_at == after.taken_at
    reading = after.gpus[0].reading
    assert reading is not None
    assert reading.processes is not None
    assert reading.processes[0].sm_utilization_percent == 30
    assert reading.pcie.tx_kib_per_second == pytest.approx(1024, rel=0.01)
    running = [snapshot.host_processes[1].running_seconds for snapshot in (before, after)]
    assert None not in running
    assert running[0] <= running[1] < running[0] + 60  # type: ignore[operator]  # both are known


@SET
async def test_remembered_times_move_with_the_wall_clock(seconds: float) -> None:
    with watched() as world:
        for _ in range(3):
            before = await world.sample()
        world.time.ahead = seconds
        for _ in range(2):
            after = await world.sample()
        uuid = after.gpus[0].identity.uuid or ""
        assert world.history_ages(after) == [8, 6, 4, 2, 0]
    assert before.ledger is not None
    assert after.ledger is not None
    first_seen = [
        snapshot.taken_at - snapshot.ledger.processes[uuid, 1].first_seen_at  # type: ignore[union-attr]  # seen above
        for snapshot in (before, after)
    ]
    assert first_seen == [4, 8]


@SET
async def test_the_age_of_an_xid_does_not_depend_on_the_wall_clock(seconds: float) -> None:
    with watched() as world:
        await world.sample()
        world.report(31)
        world.time.ahead = seconds
        after = await world.sample(after=200)
        world.report(13)
        last = await world.sample()
        for snapshot, ages in ((after, {31: 200}), (last, {31: 202, 13: 2})):
            xids = snapshot.gpus[0].xids or {}
            assert {code: snapshot.taken_at - seen.last_at for code, seen in xids.items()} == ages
        found = {finding.name for finding in examine(last)[0].findings}
        assert found >= {"xid_31", "xid_13"}, "they are still findings"
        world.time.ahead = -seconds
        later = await world.sample(after=2 * HOUR)
        assert not {"xid_31", "xid_13"} & {finding.name for finding in examine(later)[0].findings}


async def test_suspended_time_counts_for_ages_and_not_for_idle_time() -> None:
    with watched() as world:
        world.simulation.gpus[0].processes = [SimulatedProcess(pid=1, memory_bytes=2**30)]
        world.simulation.gpus[0].fix(gpu_utilization=0)  # otherwise its process could have worked
        for _ in range(2):
            before = await world.sample()
        world.report(31)
        world.simulation.gpus[1].lose()
        world.time.suspended = HOUR / 2
        for _ in range(2):
            after = await world.sample()
        reported = world.history_ages(after)
        uuid = after.gpus[0].identity.uuid or ""
    assert [before.gpus[1].age_ms, after.gpus[1].age_ms] == [0, (HOUR / 2 + 4) * 1000]
    assert after.gpus[0].age_ms == 0
    assert after.taken_at - before.taken_at == HOUR / 2 + 4
    assert reported[0] == HOUR / 2 + 6
    assert any(earlier - later > 60 for earlier, later in pairwise(reported)), "there is a gap"
    assert {after.taken_at - seen.last_at for seen in (after.gpus[0].xids or {}).values()} == {HOUR / 2 + 4}
    assert after.ledger is not None
    assert after.ledger.processes[uuid, 1].idle_seconds == 2, "it begins anew after a gap"
    assert after.taken_at - after.ledger.idle_since[uuid] == 2


@asynccontextmanager
async def sampled(hardware: FakeHardware, time: Time) -> AsyncIterator[Sampler]:
    async with collecting(hardware, time.clock, since_boot=time.since_boot, now=time.now) as collector:
        hardware.clock = time.since_boot
        sampler = Sampler(collector, Pace(1.0, 0), clock=time.clock, since_boot=time.since_boot)
        try:
            yield sampler
        finally:
            hardware.open_all_valves()
            assert await sampler.stop()


@pytest.mark.parametrize(("suspended", "is_new"), [(0.0, False), (0.6, False), (0.8, True), (HOUR, True)])
async def test_a_poll_after_a_suspend_gets_no_sample_from_before(suspended: float, is_new: bool) -> None:
    time = Time()
    async with sampled(FakeHardware(), time) as sampler:
        before = await sampler.latest()
        time.monotonic += 0.3
        time.suspended = suspended
        assert (sampler.fresh() is None) is is_new
        after = await sampler.latest()
        assert (after is not before) is is_new
        assert time.since_boot() - after.taken_since_boot <= 1
        async with aclosing(sampler.watch(30.0, heartbeat=60.0)) as stream:
            assert await anext(stream) is after


async def test_a_host_that_hangs_after_a_suspend_has_no_values_from_before() -> None:
    time, hardware = Time(), FakeHardware()
    async with sampled(hardware, time) as sampler:
        before = await sampler.latest()
        hardware.host.valve.close()
        hardware.processes.valve.close()
        time.suspended = HOUR
        after = await sampler.latest()
    assert None not in (before.host, before.processes)
    assert (after.host, after.processes) == (None, None)


async def test_the_time_of_a_sample_is_always_reported_the_same() -> None:
    """Although the two clocks are read at slightly different times, which vary."""
    with watched() as world:
        first = await world.sample()
        reported = []
        for late in (0.0001, 0.0039, 0.0):
            world.time.ahead = late
            last = await world.sample()
            reported.append(world.history.read(last, HOUR, last.gpus).taken_at[0])
    assert reported == [first.taken_at] * 3
