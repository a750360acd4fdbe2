"""Processors: utilization and frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psutil

from agent.sources.rates import gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class CoreTime(NamedTuple):
    """Seconds of one core since boot."""

    busy: float
    idle: float


class CpuPercent(NamedTuple):
    """Of all cores together, and of each."""

    total: float | None = None
    per_core: tuple[float, ...] | None = None


class Frequency(NamedTuple):
    """MHz."""

    current: float | None = None
    min: float | None = None
    max: float | None = None


def core_time(
    user: float,
    nice: float,
    system: float,
    idle: float,
    iowait: float,
    irq: float,
    softirq: float,
    steal: float,
    *_guest: float,
) -> CoreTime:
    """A line of proc_stat(5): waiting for a disk is idle; guests are in `user` and `nice` already."""
    return CoreTime(busy=user + nice + system + irq + softirq + steal, idle=idle + iowait)


def busy_percent(before: CoreTime, after: CoreTime) -> float | None:
    """Utilization between two readings; None if no time passed or the counter went backwards."""
    busy = after.busy - before.busy
    idle = max(0.0, after.idle - before.idle)  # the kernel corrects iowait downwards now and then
    return 100.0 * busy / (busy + idle) if busy >= 0 and busy + idle > 0 else None


def cpu_percent(before: Sequence[CoreTime], after: Sequence[CoreTime]) -> CpuPercent:
    """Utilization of all cores; None if a core was added or removed, because the indices have changed."""
    if not after or len(before) != len(after):
        return CpuPercent()
    cores = [busy_percent(*pair) for pair in zip(before, after, strict=True)]
    known = tuple(percent for percent in cores if percent is not None)
    return CpuPercent(busy_percent(_sum(before), _sum(after)), known if len(known) == len(cores) else None)


def _sum(cores: Sequence[CoreTime]) -> CoreTime:
    return CoreTime(sum(core.busy for core in cores), sum(core.idle for core in cores))


def average_frequency(cores: Iterable[Sequence[float]]) -> Frequency:
    """Average of the cores' current, min and max; 0 is a core that is off, or what psutil does not know."""
    columns = [[mhz for mhz in column if mhz > 0] for column in zip(*cores, strict=True)]
    return Frequency(*(sum(column) / len(column) if column else None for column in columns))


def read_frequency() -> Frequency:
    """From cpufreq, else /proc/cpuinfo, which has no limits."""
    return average_frequency(psutil.cpu_freq(percpu=True))


class CpuMeter:
    """Remembers the previous reading, for the percentages."""

    def __init__(self) -> None:
        self._before: tuple[float, list[CoreTime]] | None = None

    def read(self, at: float) -> CpuPercent:
        """Since the previous reading; `at` is in seconds of the monotonic clock."""
        cores = [core_time(*times) for times in psutil.cpu_times(percpu=True)]
        before, self._before = self._before, (at, cores)
        if before is None or gap(before[0], at) is None:
            return CpuPercent()
        return cpu_percent(before[1], cores)
