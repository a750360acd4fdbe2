"""One simulated GPU and its source, with a manual clock."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.simulation import NvmlReturn, Simulation
from agent.sources.gpu import GpuSource
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import GpuReading

WALL_CLOCK = 1_757_926_800.0  # seconds since the epoch, at the start


class TwoClocks(Clock):
    """Seconds of a monotonic clock, and of a wall clock that can be set."""

    def __init__(self) -> None:
        super().__init__()
        self.wall_offset = WALL_CLOCK - self.now

    def wall(self) -> float:
        return self.now + self.wall_offset


class OneGpu:
    """A simulation of one GPU (`gpu`) and the `source` that reads it."""

    def __init__(self, simulation: Simulation, clock: TwoClocks) -> None:
        self.simulation = simulation
        self.gpu = simulation.gpus[0]
        self.clock = clock
        self.source = GpuSource(0, clock=clock, now=clock.wall, since_boot=clock)

    def read(self, after: float = 0.0) -> GpuReading:
        """A sample `after` seconds from now, as a worker takes it, and then the slow counters."""
        self.clock.now += after
        reading = self.source.read()
        self.source.measure_slow_counters()
        return reading


class ByNumber:
    """The simulated library, but some functions report a base plus the number that they are called with.

    It replaces `pynvml.nvmlLib` before the first call; the end of the simulation restores that.
    """

    def __init__(self, library: Any, **bases: int) -> None:
        self._library = library
        self._bases = bases

    def __getattr__(self, symbol: str) -> Any:
        if symbol not in self._bases:
            return getattr(self._library, symbol)

        def report(_handle: Any, which: Any, value: Any) -> int:
            value._obj.value = self._bases[symbol] + which.value  # noqa: SLF001  (what ctypes.byref refers to)
            return int(NvmlReturn.SUCCESS)

        return report


class Garbage:
    """The simulated library, but these functions write this number into their second argument.

    It replaces `pynvml.nvmlLib`; the end of the simulation restores that.
    """

    def __init__(self, library: Any, number: int, *symbols: str) -> None:
        self._library = library
        self._number = number
        self._symbols = symbols

    def __getattr__(self, symbol: str) -> Any:
        return self._report if symbol in self._symbols else getattr(self._library, symbol)

    def _report(self, _handle: Any, value: Any) -> int:
        value._obj.value = self._number  # noqa: SLF001  (what ctypes.byref refers to)
        return int(NvmlReturn.SUCCESS)


@contextmanager
def one_gpu(model: str = "h100", **options: Any) -> Iterator[OneGpu]:
    """A simulated GPU of this `model` instead of the driver; `options` are those of Simulation."""
    clock = TwoClocks()
    with Simulation(
        1, models=[model], clock=clock, wall_clock=clock.wall, pcie_window_seconds=0, **options
    ) as simulation:
        yield OneGpu(simulation, clock)
