"""Small substitutes for a driver, its GPUs and the host, for tests of time and threads instead of NVML."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from agent.readings import (
    DriverReading,
    GpuIdentity,
    GpuProcess,
    GpuReading,
    HostProcess,
    HostReading,
    ProcessesReading,
    ProcessType,
    SourceError,
    Thermal,
    Utilization,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Valve:
    """Lets calls pass while it is open. While it is closed, a call waits until it opens."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.entered = threading.Event()

    def close(self) -> None:
        self.entered.clear()
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    def pass_through(self) -> None:
        self.entered.set()
        assert self._open.wait(timeout=30), "the test forgot to open a valve"


class FakeDriver:
    """Counts its reads. With `error` set, a read fails."""

    def __init__(self, present: Sequence[str]) -> None:
        self._present = present
        self.error: str | None = None
        self.code: int | None = None  # NVML's return code of `error`
        self.reads = 0
        self.releases = 0
        self.valve = Valve()

    @property
    def calls(self) -> int:
        return self.reads

    def read(self) -> DriverReading:
        self.reads += 1
        self.valve.pass_through()
        if self.error:
            raise SourceError(self.error, code=self.code)
        return DriverReading(gpu_count=len(self._present), driver_version="1.2.3")

    def release(self) -> None:
        self.releases += 1


class FakeGpu:
    """Counts its reads and reports the count as its temperature. With `error` set, a read fails.

    As in NVML, the first read decides which GPU the index means, until the GPU is released.
    """

    def __init__(self, index: int, present: Sequence[str], clock: Callable[[], float]) -> None:
        self.index = index
        self.error: str | None = None
        self.code: int | None = None  # NVML's return code of `error`
        self.reads = 0
        self.watched: list[bool] = []  # for each read, whether somebody was watching
        self.releases = 0
        self.pids: tuple[int, ...] = ()
        self.process_type = ProcessType.COMPUTE
        self.gpu_percent: int | None = None
        self.valve = Valve()
        self._present = present
        self._uuid: str | None = None
        self._clock = clock

    def read(self, *, watched: bool = True) -> GpuReading:
        self.reads += 1
        self.watched.append(watched)
        started = self._clock()
        self._uuid = self._uuid or self._present[self.index]
        uuid = self._uuid
        self.valve.pass_through()
        if self.error:
            raise SourceError(self.error, code=self.code)
        return GpuReading(
            sampled_since_boot=started,
            identity=GpuIdentity(uuid=uuid),
            thermal=Thermal(gpu_celsius=self.reads),
            utilization=Utilization(gpu_percent=self.gpu_percent),
            processes=tuple(GpuProcess(pid, self.process_type) for pid in self.pids),
        )

    def read_with_fresh_errors(self, *, watched: bool = True) -> GpuReading:
        return self.read(watched=watched)

    def measure_slow_counters(self) -> None:
        """There are no slow counters."""

    def release(self, *, may_be_another: bool = False) -> None:  # noqa: ARG002  (like the real source)
        self.releases += 1
        self._uuid = None


class FakeHost:
    """A host with a name and nothing else."""

    def __init__(self) -> None:
        self.valve = Valve()

    def read(self) -> HostReading:
        self.valve.pass_through()
        return HostReading(hostname="host")


class FakeProcesses:
    """Describes all requested pids, and records the requests."""

    def __init__(self) -> None:
        self.asked: list[frozenset[int]] = []
        self.watched: list[bool] = []
        self.valve = Valve()

    def read(self, pids: frozenset[int], *, watched: bool = True) -> ProcessesReading:
        self.asked.append(pids)
        self.watched.append(watched)
        self.valve.pass_through()
        return ProcessesReading({pid: HostProcess(pid) for pid in pids})


class FakeHardware:
    """All these sources, with the opened GPUs by index. `present` has the UUIDs in the driver's order."""

    def __init__(self, gpu_count: int = 2) -> None:
        self.present = [f"GPU-{number}" for number in range(gpu_count)]
        self.driver = FakeDriver(self.present)
        self.host = FakeHost()
        self.processes = FakeProcesses()
        self.gpus: dict[int, FakeGpu] = {}
        self.clock: Callable[[], float] = time.monotonic

    def open_gpu(self, index: int) -> FakeGpu:
        self.gpus[index] = FakeGpu(index, self.present, self.clock)
        return self.gpus[index]

    def open_all_valves(self) -> None:
        sources = (self.driver, self.host, self.processes)
        for valve in (*(source.valve for source in sources), *(gpu.valve for gpu in self.gpus.values())):
            valve.open()
