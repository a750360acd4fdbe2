"""A simulated host from which GPUs may be missing, with its collector."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agent.derive.host_health import examine_host
from agent.sampling.collector import Collector
from agent.sampling.xid_watch import XidWatch
from agent.simulation import Simulation
from agent.sources.gpu import GpuSource
from agent.sources.gpu.xid import XidEventSource
from agent.sources.nvml import DriverSource
from tests.support.agents import wait_until
from tests.support.sources import FakeHost, FakeProcesses, Valve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent.readings import Snapshot

INIT, SHUTDOWN = "nvmlInitWithFlags", "nvmlShutdown"


class Driver(DriverSource):
    """Records how many event sets are open when the driver is released."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self.event_sets: list[int] = []
        self._simulation = simulation

    def release(self) -> None:
        self.event_sets.append(len(self._simulation.event_sets.by_pointer))
        super().release()


class Host:
    """A simulated host with its collector, whose clock can be moved forward."""

    def __init__(self, simulation: Simulation, expected: int, *, hears_xids: bool) -> None:
        self.simulation = simulation
        self.shift = 0.0
        self.recounts = 0
        self.recount_fails = False
        self.recounted: int | None = None  # what a new process counts, if not the present GPUs
        self.valve = Valve()
        self.driver = Driver(simulation)
        self.collector = Collector(
            self.driver,
            GpuSource,
            FakeHost(),
            FakeProcesses(),
            sample_interval=1.0,
            sample_timeout=2.0,
            history_interval=10.0,
            xids=XidWatch(XidEventSource()) if hears_xids else None,
            expected_gpus=expected,
            recount=self._recount,
            clock=self._clock,
        )

    def _clock(self) -> float:
        return time.monotonic() + self.shift

    def _recount(self) -> int | None:
        self.recounts += 1
        self.valve.pass_through()
        if self.recount_fails:
            return None
        return self.recounted if self.recounted is not None else self.simulation.count_in_new_process()

    async def until(self, condition: Callable[[Snapshot], object]) -> Snapshot:
        """The first Snapshot for which the condition holds."""
        async with asyncio.timeout(20):
            while not condition(snapshot := await self.collector.collect()):
                pass
        return snapshot

    async def until_judged(self) -> Snapshot:
        return await self.until(lambda snapshot: examine_host(snapshot).verdict is not None)

    def hears(self, index: int) -> None:
        """Raise XIDs until one is counted: the thread of the XIDs may be between two waits."""

        def heard() -> bool:
            self.simulation.gpus[index].raise_xid(31)
            counts = self.collector._xids.counts(self.uuid(index), 0.0)  # type: ignore[union-attr]  # noqa: SLF001
            return bool(counts)

        wait_until(heard, f"XIDs of GPU {index} are received")

    def waits_for_recount(self) -> None:
        """Wait until the recount in progress has ended."""
        wait_until(lambda: self.collector._census.workers[0].busy_since is None, "the recount has ended")  # noqa: SLF001

    def uuid(self, index: int) -> str:
        return self.simulation.gpus[index].values.uuid or ""


@asynccontextmanager
async def collecting(
    gpus: int = 4,
    *missing: int,
    expected: int = 0,
    scenario: str = "healthy",
    hears_xids: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Host]:
    """`clock` is that of the simulation."""
    with Simulation(gpus, scenario=scenario, clock=clock, pcie_window_seconds=0) as simulation:
        for index in missing:
            simulation.gpus[index].vanish()
        host = Host(simulation, expected, hears_xids=hears_xids)
        try:
            yield host
        finally:
            host.valve.open()
            simulation.uninstall()
            wait_until(host.collector.close, "every thread ends")
