"""Simulated GPUs that are read and judged, with a manual clock."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.derive.health import examine
from agent.readings import GpuSample, GpuState, Snapshot
from agent.simulation import Simulation
from agent.sources.gpu import GpuSource
from tests.sources.one_gpu import TwoClocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.findings import Finding
    from agent.simulation import SimulatedGpu


class JudgedGpus:
    """All GPUs of a simulation, and the sources that read them."""

    def __init__(self, simulation: Simulation, clock: TwoClocks) -> None:
        self.simulation = simulation
        self.gpus: list[SimulatedGpu] = simulation.gpus
        self.sources = [
            GpuSource(gpu.index, clock=clock, now=clock.wall, since_boot=clock) for gpu in simulation.gpus
        ]
        self.samples: tuple[GpuSample, ...] = ()
        self._clock = clock

    def findings(self, after: float) -> list[list[Finding]]:
        """The findings on each GPU, by a sample `after` seconds from now."""
        self._clock.now += after
        self.samples = tuple(
            GpuSample(source.index, GpuState.OK, source.read(), sampled_at=self._clock.wall(), age_ms=0)
            for source in self.sources
        )
        health = examine(Snapshot(self._clock.wall(), self._clock.now, gpus=self.samples))
        return [list(health[sample.index].findings) for sample in self.samples]

    def names(self, after: float) -> list[list[str]]:
        """The names of the findings on each GPU."""
        return [[finding.name for finding in found] for found in self.findings(after)]

    def names_of_first(self, *after: float) -> list[list[str]]:
        """The names of the findings on GPU 0, by a sample after each of these pauses."""
        return [self.names(seconds)[0] for seconds in after]


@contextmanager
def judged(gpus: int = 1, model: str = "h100", **values: Any) -> Iterator[JudgedGpus]:
    """GPUs of a model with these fixed values, which are not slowed down by heat."""
    clock = TwoClocks()
    with Simulation(
        gpus, models=[model], clock=clock, wall_clock=clock.wall, pcie_window_seconds=0
    ) as simulation:
        for gpu in simulation.gpus:
            gpu.fix(**{"temperature": 60, "clocks_event_reasons": 0} | values)
        yield JudgedGpus(simulation, clock)
