"""The host, from /proc, /sys and the mounted file systems.

A part that cannot be read is None; the others are read. What is expensive to read and slow to change is
read about every ten seconds, whatever the pace of the calls.
"""

from __future__ import annotations

import socket
import time
from functools import cached_property
from typing import TYPE_CHECKING

import psutil

from agent.readings import DiskIo, HostReading
from agent.sources.attempt import attempt
from agent.sources.cpu import CpuMeter, CpuPercent, Frequency, read_frequency
from agent.sources.disks import DiskMeter, DiskSpace, read_disk_space
from agent.sources.memory import HostMemory, percent_of, read_memory
from agent.sources.paced_value import paced_slowly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HOTTEST_CREDIBLE_CELSIUS = 150.0  # sensors that are not wired up report 255, 0 or -273


class HostSource:
    """Reads /proc, /sys and mounted file systems, mostly through psutil; owned by one worker thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, name: str = "") -> None:
        """`name`: the name of the host, if the system's host name is that of a container."""
        self._clock = clock
        self._name = name
        self._cpu = CpuMeter()
        self._disks = DiskMeter()
        self._frequency = paced_slowly(read_frequency, Frequency())
        self._disk_space = paced_slowly(read_disk_space, DiskSpace())
        self._temperature = paced_slowly(_read_temperature, None)

    def read(self) -> HostReading:
        """The host now."""
        at = self._clock()
        cpu = attempt(lambda: self._cpu.read(at), CpuPercent())
        disk_io = attempt(lambda: self._disks.read(at), DiskIo())
        memory = attempt(read_memory, HostMemory())
        physical_cores, logical_cores = self._core_counts
        frequency = self._frequency.get(at)
        disk_space = self._disk_space.get(at)
        return HostReading(
            hostname=self._name or socket.gethostname(),
            cpu_count_physical=physical_cores,
            cpu_count_logical=logical_cores,
            cpu_percent=cpu.total,
            cpu_per_core_percent=cpu.per_core,
            cpu_freq_current_mhz=frequency.current,
            cpu_freq_min_mhz=frequency.min,
            cpu_freq_max_mhz=frequency.max,
            memory_total_bytes=memory.total,
            memory_available_bytes=memory.available,
            memory_used_bytes=memory.used,
            memory_percent=percent_of(memory.used, memory.total),
            memory_cached_bytes=memory.cached,
            memory_buffers_bytes=memory.buffers,
            disk_used_bytes=disk_space.used_bytes,
            disk_available_bytes=disk_space.available_bytes,
            disk_io=disk_io,
            temperature_celsius=self._temperature.get(at),
        )

    @cached_property
    def _core_counts(self) -> tuple[int | None, int | None]:
        """Physical and logical; read once, because psutil opens a file per core for it."""
        return attempt(lambda: psutil.cpu_count(logical=False), None), attempt(psutil.cpu_count, None)


def hottest(sensors: Iterable[float | None]) -> float | None:
    """Degrees Celsius of the hottest sensor with a plausible value."""
    credible = (
        celsius for celsius in sensors if celsius is not None and 0 < celsius <= HOTTEST_CREDIBLE_CELSIUS
    )
    return max(credible, default=None)


def _read_temperature() -> float | None:
    return hottest(sensor.current for chip in psutil.sensors_temperatures().values() for sensor in chip)
