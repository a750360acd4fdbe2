"""The NVML library with a clock at each of its functions, and what one sample of one GPU costs on it."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from agent.simulation.installation import install_library, uninstall_library
from agent.sources.gpu import GpuSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIBRARY = "libnvidia-ml.so.1"

# nvidia-ml-py sets the return type of this one on the function itself.
_UNTIMED = frozenset({"nvmlErrorString"})


class TimedLibrary:
    """A layer between nvidia-ml-py and an NVML library; `seconds` has the duration of each call by symbol."""

    def __init__(self, library: object) -> None:
        self._library = library
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def __getattr__(self, symbol: str) -> Callable[..., Any]:
        """The C function of that name; AttributeError if the library does not have it."""
        function: Callable[..., Any] = getattr(self._library, symbol)
        if symbol in _UNTIMED:
            return function

        def call(*arguments: Any) -> Any:  # Any: what ctypes takes
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds[symbol].append(time.perf_counter() - started)

        return call


@contextmanager
def timed_driver(library: object) -> Iterator[TimedLibrary]:
    """Let nvidia-ml-py and nvitop use `library` through a TimedLibrary."""
    timed = TimedLibrary(library)
    before = install_library(timed)
    try:
        yield timed
    finally:
        uninstall_library(before)


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of samples of one GPU, in seconds."""

    samples: tuple[float, ...]  # the whole of each reading of the agent
    calls: dict[str, tuple[float, ...]]  # of each NVML function, by symbol

    def table(self) -> str:
        """A table for documents: µs, the most expensive function first."""
        rows = sorted(self.calls.items(), key=lambda item: -sum(item[1]))
        lines = [f"| {'NVML function':<44} | {'calls a sample':>14} | {'p50 µs':>9} | {'max µs':>9} |"]
        lines.append(f"|{'-' * 46}|{'-' * 15}:|{'-' * 10}:|{'-' * 10}:|")
        for symbol, seconds in rows:
            calls = len(seconds) / len(self.samples)
            lines.append(
                f"| {symbol:<44} | {calls:>14.1f} | {micro(median(seconds)):>9} | {micro(max(seconds)):>9} |"
            )
        lines.append(
            f"| {'a sample as a whole, our own work included':<44} | {'':>14}"
            f" | {micro(median(self.samples)):>9} | {micro(max(self.samples)):>9} |"
        )
        return "\n".join(lines)


def micro(seconds: float) -> str:
    """Seconds as a text in µs."""
    return f"{seconds * 1e6:.1f}"


def sample_costs(
    library: TimedLibrary, index: int, *, samples: int, step: float, pause: float = 0.1
) -> Costs:
    """Sample one GPU repeatedly. By the clock of the source, `step` seconds pass from one sample to the next.

    `pause`: the seconds that really pass; GPM needs at least 0.1. PCIe windows are not part of a sample.
    """
    now = time.monotonic()
    source = GpuSource(index, clock=lambda: now)
    source.read()  # contact, identity, the first GPM sample
    durations: list[float] = []
    library.seconds.clear()
    for _ in range(samples):
        time.sleep(pause)
        now += step
        started = time.perf_counter()
        source.read()
        durations.append(time.perf_counter() - started)
    calls = {symbol: tuple(seconds) for symbol, seconds in library.seconds.items()}
    source.release()
    return Costs(tuple(durations), calls)
