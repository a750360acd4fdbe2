"""The host, as /proc, /sys and the mounted file systems tell it.

A part that cannot be read is None and the rest carries on. What is dear to read and slow to change (the slow
tier) is read about every ten seconds, whatever the pace of the calls.
"""

from __future__ import annotations

import socket
import time
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import psutil

from agent.readings import DiskIo, HostProcess, HostReading
from agent.sources.attempt import attempt
from agent.sources.cpu import CpuMeter, CpuPercent, Frequency, read_frequency
from agent.sources.disks import DiskMeter, DiskSpace, read_disk_space
from agent.sources.paced import Paced
from agent.sources.processes import ProcessReader, percent_of, seconds_since_boot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

SLOW_PACE = 10.0  # seconds
TOP_PROCESSES = 5
HOTTEST_CREDIBLE_CELSIUS = 150.0  # sensors that are not wired up report 255, 0 or -273


class Memory(NamedTuple):
    """Bytes of RAM; cached includes what the kernel can reclaim, as `free` counts it."""

    total: int | None = None
    available: int | None = None
    cached: int | None = None
    buffers: int | None = None


class HostSource:
    """Reads /proc, /sys and mounted file systems, mostly through psutil; owned by one worker thread."""

    def __init__(
        self,
        *,
        hide_command_args: bool = False,
        pids_are_ours: bool = False,
        clock: Callable[[], float] = time.monotonic,
        since_boot: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self._clock = clock
        self._cpu = CpuMeter()
        self._disks = DiskMeter()
        self._processes = ProcessReader(
            hide_command_args=hide_command_args,
            pids_are_ours=pids_are_ours,
            clock=clock,
            since_boot=since_boot,
        )
        self._memory = Memory()
        self._frequency = _slow(read_frequency, Frequency())
        self._disk_space = _slow(read_disk_space, DiskSpace())
        self._temperature = _slow(_read_temperature, None)
        self._top_processes: Paced[tuple[HostProcess, ...]] = _slow(self._read_top_processes, ())

    def read(self, pids: frozenset[int]) -> HostReading:
        """The host now; `pids` are the processes on GPUs, described in `gpu_processes`."""
        at = self._clock()
        cpu = attempt(lambda: self._cpu.read(at), CpuPercent())
        disk_io = attempt(lambda: self._disks.read(at), DiskIo())
        memory = self._memory = attempt(_read_memory, Memory())
        used = None if memory.total is None or memory.available is None else memory.total - memory.available
        physical_cores, logical_cores = self._core_counts
        frequency = self._frequency.get(at)
        disk_space = self._disk_space.get(at)
        return HostReading(
            hostname=socket.gethostname(),
            cpu_count_physical=physical_cores,
            cpu_count_logical=logical_cores,
            cpu_percent=cpu.total,
            cpu_per_core_percent=cpu.per_core,
            cpu_freq_current_mhz=frequency.current,
            cpu_freq_min_mhz=frequency.min,
            cpu_freq_max_mhz=frequency.max,
            memory_total_bytes=memory.total,
            memory_available_bytes=memory.available,
            memory_used_bytes=used,
            memory_percent=percent_of(used, memory.total),
            memory_cached_bytes=memory.cached,
            memory_buffers_bytes=memory.buffers,
            disk_used_bytes=disk_space.used_bytes,
            disk_available_bytes=disk_space.available_bytes,
            disk_io=disk_io,
            temperature_celsius=self._temperature.get(at),
            top_processes=self._top_processes.get(at),
            gpu_processes=self._processes.read(pids, memory.total),
        )

    @cached_property
    def _core_counts(self) -> tuple[int | None, int | None]:
        """Physical and logical; read once, because psutil opens a file per core for it."""
        return attempt(lambda: psutil.cpu_count(logical=False), None), attempt(psutil.cpu_count, None)

    def _read_top_processes(self) -> tuple[HostProcess, ...]:
        return self._processes.largest(TOP_PROCESSES, self._memory.total)


def _slow(read: Callable[[], T], otherwise: T) -> Paced[T]:
    return Paced(SLOW_PACE, lambda: attempt(read, otherwise))


def hottest(sensors: Iterable[float | None]) -> float | None:
    """Degrees Celsius of the hottest sensor that can be believed."""
    credible = (celsius for celsius in sensors if celsius and 0 < celsius <= HOTTEST_CREDIBLE_CELSIUS)
    return max(credible, default=None)


def _read_temperature() -> float | None:
    return hottest(sensor.current for chip in psutil.sensors_temperatures().values() for sensor in chip)


def _read_memory() -> Memory:
    memory = psutil.virtual_memory()
    return Memory(memory.total, memory.available, memory.cached, memory.buffers)
