"""One GPU through NVML: a file for each subject, and here how a sample is put together from them.

Cheap values are read every time, expensive ones on a slower pace, what never changes once. The first call
of each sample is made with errors raised, so that a GPU that is lost, forbidden or only lacks a function are
told apart.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pynvml

from agent.readings import GpuReading, seconds_since_boot
from agent.sources.gpu import power, recovery, thermal
from agent.sources.gpu.clocks import ClocksSource
from agent.sources.gpu.engines import read_engines
from agent.sources.gpu.fans import FansSource
from agent.sources.gpu.fields import SlowFields
from agent.sources.gpu.gpm import GpmSource
from agent.sources.gpu.identity import IdentitySource
from agent.sources.gpu.memory import MemorySource
from agent.sources.gpu.memory_errors import read_memory_errors
from agent.sources.gpu.mig import read_mig
from agent.sources.gpu.modes import read_modes
from agent.sources.gpu.nvlink import NvLinkSource
from agent.sources.gpu.paces import ERRORS_PACE, SLOW_PACE
from agent.sources.gpu.pcie import PcieSource
from agent.sources.gpu.power import PowerSource
from agent.sources.gpu.processes import ProcessesSource
from agent.sources.gpu.recovery import RecoverySource
from agent.sources.gpu.seen import Seen
from agent.sources.gpu.thermal import ThermalSource
from agent.sources.gpu.utilization import read_utilization
from agent.sources.nvml import query, unreadable_gpu
from agent.sources.paced import Paced

if TYPE_CHECKING:
    from collections.abc import Callable


class GpuSource:
    """Reads the GPU with this index. One thread owns it, and its NVML handle never leaves it."""

    def __init__(
        self,
        index: int,
        *,
        in_container: bool = False,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self.index = index
        self._in_container = in_container
        self._clock = clock
        self._now = now
        self._since_boot = since_boot
        self._open: _OpenGpu | None = None
        self._seen: dict[str, Seen] = {}  # by UUID: another card may have this index one day

    def read(self) -> GpuReading:
        """One sample. Raises SourceError if the GPU as a whole cannot be read; see readings/troubles.py."""
        try:
            if self._open is None:
                self._open = _OpenGpu(self.index, self._clock, self._now, self._since_boot, self._seen)
            return self._open.sample()
        except pynvml.NVMLError as error:
            # A handle made before a reset or a reload never recovers: the next read makes a new one.
            self.release()
            raise unreadable_gpu(error, in_container=self._in_container) from error

    def measure_slow_counters(self) -> None:
        """Measure what takes long and nobody should wait for; the next sample shows it."""
        if self._open is not None:
            with contextlib.suppress(pynvml.NVMLError):  # the next read says what is wrong
                self._open.pcie.measure(self._clock())

    def release(self) -> None:
        """Let go of the handle and all that hangs on it, before NVML is shut down."""
        gpu, self._open = self._open, None
        if gpu is not None:
            gpu.gpm.release()


class _OpenGpu:
    """A GPU behind one NVML handle, for as long as that handle is good."""

    def __init__(
        self,
        index: int,
        clock: Callable[[], float],
        now: Callable[[], float],
        since_boot: Callable[[], float],
        seen: dict[str, Seen],
    ) -> None:
        self._clock = clock
        self._since_boot = since_boot
        self._all_seen = seen
        self._seen = Seen()  # until its UUID is known
        handle = self._handle = query("nvmlDeviceGetHandleByIndex", index)
        if handle is None:  # nothing could be asked of it
            raise pynvml.NVMLError_NotSupported
        fields = SlowFields(handle, (*recovery.FIELDS, *thermal.FIELDS, *power.FIELDS))
        self.pcie = PcieSource(handle)
        self.gpm = GpmSource(handle)
        self._memory = MemorySource(index, handle)
        self._identity = IdentitySource(handle)
        self._power = PowerSource(handle, fields)
        self._clocks = ClocksSource(handle)
        self._thermal = ThermalSource(handle, fields)
        self._fans = FansSource(handle, clock)
        self._nvlink = NvLinkSource(handle, clock)
        self._recovery = RecoverySource(fields)
        self._processes = ProcessesSource(handle, clock, now)
        self._engines = Paced(SLOW_PACE, lambda: read_engines(handle))
        self._modes = Paced(SLOW_PACE, lambda: read_modes(handle))
        self._mig = Paced(SLOW_PACE, lambda: read_mig(handle))
        self._memory_errors = Paced(ERRORS_PACE, lambda: read_memory_errors(handle))

    def sample(self) -> GpuReading:
        started, since_boot = self._clock(), self._since_boot()
        memory = self._memory.read(started)  # the first: it tells whether the GPU can be read
        utilization = read_utilization(self._handle)
        gpm = self.gpm.read(started)
        identity = self._identity.read(started)
        thermal = self._thermal.read(started)
        modes = self._modes.get(started)
        if identity.uuid:
            self._seen = self._all_seen.setdefault(identity.uuid, self._seen)
        pcie = self.pcie.read(
            started,
            bus_id=identity.pci_bus_id,
            performance_state=modes.performance_state,
            gpu_percent=utilization.gpu_percent,
            seen=self._seen,
        )
        listed = self._processes.read(started, utilization.gpu_percent)
        mig = self._mig.get(started)
        listed = mig.processes(listed)
        return GpuReading(
            sampled_since_boot=since_boot,
            identity=identity,
            memory=memory,
            utilization=utilization,
            gpm=gpm,
            engines=self._engines.get(started),
            thermal=thermal,
            power=self._power.read(started),
            clocks=self._clocks.read(started),
            fans=self._fans.read(started, thermal.gpu_celsius),
            pcie=pcie,
            nvlink=self._nvlink.read(started, self._seen),
            memory_errors=self._memory_errors.get(started),
            modes=modes,
            recovery=self._recovery.read(started),
            processes=listed.processes,
            process_list_is_partial=listed.is_partial,
            mig=mig.mig,
        )
