"""The time of day is set: ages, states and rates go by the monotonic clock and do not notice."""

from __future__ import annotations

import pytest

from agent.readings import GpuState
from agent.sampling.collector import Collector
from agent.simulation import SimulatedProcess, Simulation
from agent.sources.gpu import GpuSource
from agent.sources.host import HostSource
from agent.sources.nvml import DriverSource
from agent.sources.process_source import ProcessSource

pytestmark = pytest.mark.anyio

START = 1_760_000_000.0  # seconds since the epoch
PROCESS_PACE = 2.0


class Time:
    """The monotonic clock, and the time of day beside it, which can be set."""

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.ahead = 0.0

    def clock(self) -> float:
        return self.monotonic

    def now(self) -> float:
        return START + self.monotonic + self.ahead


@pytest.mark.parametrize(
    "seconds", [pytest.param(-3600.0, id="back an hour"), pytest.param(3600.0, id="forward an hour")]
)
async def test_setting_the_time_of_day_changes_nothing_but_the_time_of_day(seconds: float) -> None:
    time = Time()
    with Simulation(2, clock=time.clock, wall_clock=time.now) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(pid=1, sm_utilization=30)]
        simulation.gpus[0].fix(pcie_tx=1024)
        collector = Collector(
            DriverSource(),
            lambda index: GpuSource(index, clock=time.clock, now=time.now),
            HostSource(clock=time.clock),
            ProcessSource(clock=time.clock, pids_are_ours=True),
            sample_interval=1.0,
            sample_timeout=2.0,
            clock=time.clock,
            now=time.now,
        )
        try:
            await collector.collect()
            time.monotonic += PROCESS_PACE
            before = await collector.collect()
            time.ahead = seconds
            time.monotonic += PROCESS_PACE
            after = await collector.collect()
        finally:
            collector.close()
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
