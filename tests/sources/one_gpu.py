"""One simulated GPU and its source, in a time that stands until it is moved."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.simulation import Simulation
from agent.sources.gpu import GpuSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import GpuReading

WALL_CLOCK = 1_757_926_800.0  # seconds since the epoch, at the start


class Clock:
    """Seconds of a monotonic clock, and of a wall clock that can be set."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall_offset = WALL_CLOCK - self.now

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.wall_offset


class OneGpu:
    """A simulation of one GPU (`gpu`) and the `source` that reads it."""

    def __init__(self, simulation: Simulation, clock: Clock) -> None:
        self.simulation = simulation
        self.gpu = simulation.gpus[0]
        self.clock = clock
        self.source = GpuSource(0, clock=clock, now=clock.wall, since_boot=clock)

    def read(self, after: float = 0.0) -> GpuReading:
        """A sample `after` seconds from now, as a worker takes it, with what nobody waits for."""
        self.clock.now += after
        reading = self.source.read()
        self.source.measure_slow_counters()
        return reading


@contextmanager
def one_gpu(model: str = "h100", **options: Any) -> Iterator[OneGpu]:
    """A GPU of `model` in the place of the driver; `options` are those of Simulation."""
    clock = Clock()
    with Simulation(
        1, models=[model], clock=clock, wall_clock=clock.wall, pcie_window_seconds=0, **options
    ) as simulation:
        yield OneGpu(simulation, clock)
