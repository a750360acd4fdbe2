"""Reads one GPU through NVML: a file for each subject; this module combines them to a sample.

Cheap values are read every time, expensive ones at a slower pace, fixed ones once. The identity is read
first, and is kept whatever fails after it. The memory comes next: it distinguishes a GPU that is lost, or
forbidden, from one that only lacks a function. Every other value can fail alone.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pynvml

from agent.readings import GpuIdentity, GpuReading, Reason, seconds_since_boot
from agent.sources.gpu import power, recovery, thermal
from agent.sources.gpu.clocks import ClocksSource
from agent.sources.gpu.engines import EnginesSource
from agent.sources.gpu.fabric import FabricSource
from agent.sources.gpu.fans import FansSource
from agent.sources.gpu.fields import SlowFields
from agent.sources.gpu.gpm import GpmSource
from agent.sources.gpu.handle import GpuHandle
from agent.sources.gpu.identity import IdentitySource
from agent.sources.gpu.inforom import InforomSource
from agent.sources.gpu.memory import MemorySource
from agent.sources.gpu.memory_errors import read_memory_errors
from agent.sources.gpu.mig import MigSource
from agent.sources.gpu.modes import ModesSource
from agent.sources.gpu.moment import Moments
from agent.sources.gpu.mps import MpsClients
from agent.sources.gpu.nvlink import NvLinkSource
from agent.sources.gpu.paces import ERRORS_PACE
from agent.sources.gpu.pcie import PcieSource
from agent.sources.gpu.possible import only_possible
from agent.sources.gpu.power import PowerSource
from agent.sources.gpu.processes import ProcessesSource
from agent.sources.gpu.recovery import RecoverySource
from agent.sources.gpu.seen import Seen, SeenCards
from agent.sources.gpu.stand_ins import StandIns
from agent.sources.gpu.thermal import ThermalSource
from agent.sources.gpu.throttling import ThrottlingSource
from agent.sources.gpu.unknown import Record, Refusal
from agent.sources.gpu.utilization import read_utilization
from agent.sources.nvml import unreadable_gpu
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.readings.restored import KeptCard


class GpuSource:
    """Reads the GPU with this index. One thread owns it and its NVML handle."""

    def __init__(
        self,
        index: int,
        *,
        in_container: bool = False,
        best: Mapping[tuple[str, str], KeptCard] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = seconds_since_boot,
    ) -> None:
        """`best`: the highest values of cards before the agent started, by UUID and PCI bus id."""
        self.index = index
        self._in_container = in_container
        self._clock = clock
        self._now = now
        self._since_boot = since_boot
        self._open: _OpenGpu | None = None
        self._records: dict[str, Record] = {}  # by UUID: another card may have this index one day
        self._record = Record()  # of the GPU that was last seen here
        self._identity = GpuIdentity()  # the same GPU's
        self._before: GpuReading | None = None  # its last reading
        self._seen = SeenCards(best or {})  # another card may have this index one day
        self._inforom = InforomSource()

    def read(self, *, watched: bool = True) -> GpuReading:
        """One sample.

        Raises SourceError if the GPU as a whole cannot be read; see readings/troubles.py. `watched`: whether
        there is demand. If not, some values are as old as the last demand; see moment.py.
        """
        try:
            if self._open is None:
                self._open = self._make_contact()
            reading = self._open.sample(watched=watched)
        except pynvml.NVMLError as error:
            # A handle made before a reset or a reload never recovers: the next read makes a new one.
            self.release()
            self._inforom = InforomSource()
            raise unreadable_gpu(error, in_container=self._in_container, lasting=self._lasting()) from error
        if reading.identity.uuid is not None and reading.identity.uuid != self._identity.uuid:
            self._recognise(reading.identity)  # it was not reported before
            if self._open is not None and self._open.handle.record is not self._record:
                self.release()  # and it is another one
        self._before = only_possible(reading, self._before)
        return self._before

    def _make_contact(self) -> _OpenGpu:
        """Make contact with the GPU that has this index now."""
        self._record.begin(self._since_boot())
        handle = GpuHandle(None, self._record)
        raw = handle.call_exactly("nvmlDeviceGetHandleByIndex", self.index)
        if isinstance(raw, Refusal):  # nothing can be read from it
            raise pynvml.NVMLError(raw.code or pynvml.NVML_ERROR_NOT_SUPPORTED)
        handle.raw = raw
        identity = IdentitySource(handle)
        self._recognise(identity.read_reported(self._clock()))
        handle.record = self._record
        return _OpenGpu(
            self.index,
            handle,
            identity,
            self._inforom,
            self._seen,
            clock=self._clock,
            now=self._now,
            since_boot=self._since_boot,
        )

    def _recognise(self, identity: GpuIdentity) -> None:
        """The identity; values that are not reported are kept, because a lost GPU reports few."""
        if identity.uuid is None and self._identity.uuid is not None:
            return
        if identity.uuid != self._identity.uuid:
            self._inforom = InforomSource()
        self._identity = GpuIdentity(identity.uuid, identity.name, identity.pci_bus_id)
        if identity.uuid is not None:
            is_of_another = any(self._record is record for record in self._records.values())
            self._record = self._records.setdefault(
                identity.uuid, Record() if is_of_another else self._record
            )

    def _lasting(self) -> GpuReading:
        """The values that stay known for a GPU that cannot be read."""
        return GpuReading(self._since_boot(), identity=self._identity, driver_errors=self._record.errors)

    def read_with_fresh_errors(self, *, watched: bool = True) -> GpuReading:
        """Like `read`, with present error counts, which have changed after an XID about memory."""
        if self._open is not None:
            self._open.forget_errors()
        return self.read(watched=watched)

    def measure_slow_counters(self) -> None:
        """Measure slow values outside a sample; the next sample has them."""
        if self._open is not None:
            with contextlib.suppress(pynvml.NVMLError):  # the next read says what is wrong
                self._open.pcie.measure(self._clock())
                self._open.inforom.measure(self._open.handle, self._clock())

    def release(self, *, may_be_another: bool = False) -> None:
        """Release the handle and everything that depends on it, before NVML is shut down.

        `may_be_another`: the index may belong to another GPU at the next read.
        """
        if may_be_another:
            self._identity, self._record, self._before = GpuIdentity(), Record(), None
            self._inforom = InforomSource()
        gpu, self._open = self._open, None
        if gpu is not None:
            gpu.gpm.release()


class _OpenGpu:
    """A GPU with one NVML handle, as long as that handle is valid."""

    def __init__(
        self,
        index: int,
        handle: GpuHandle,
        identity: IdentitySource,
        inforom: InforomSource,
        seen: SeenCards,
        *,
        clock: Callable[[], float],
        now: Callable[[], float],
        since_boot: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._since_boot = since_boot
        self._all_seen = seen
        self._seen = Seen()  # until its UUID is known
        self.handle = handle
        fields = SlowFields(
            handle, {**recovery.FIELDS, **thermal.FIELDS, **power.FIELDS}, zero_is_none=thermal.ZERO_IS_NONE
        )
        self.pcie = PcieSource(handle)
        self.inforom = inforom
        self.gpm = GpmSource(handle)
        self._moments = Moments()
        self._memory = MemorySource(index, handle)
        self._identity = identity
        self._power = PowerSource(handle, fields)
        self._clocks = ClocksSource(handle)
        self._throttling = ThrottlingSource(handle)
        self._thermal = ThermalSource(handle, fields)
        self._fans = FansSource(handle, clock)
        self._nvlink = NvLinkSource(handle, clock)
        self._fabric = FabricSource(handle)
        self._recovery = RecoverySource(handle, fields)
        mps = MpsClients(handle, clock)
        self._processes = ProcessesSource(handle, mps.clients_of, clock, now)
        self._stand_ins = StandIns(handle)
        self._engines = EnginesSource(handle)
        self._modes = ModesSource(handle)
        self._mig = MigSource(handle, mps.clients_of)
        self._memory_errors = Paced(ERRORS_PACE, lambda: read_memory_errors(handle))

    def sample(self, *, watched: bool) -> GpuReading:
        started, since_boot = self._clock(), self._since_boot()
        moment = self._moments.at(started, watched=watched)
        record = self.handle.record
        record.begin(since_boot)
        memory = self._memory.read(moment)  # the first: it shows whether the GPU can be read
        utilization = read_utilization(self.handle)
        gpm = self.gpm.read(started)
        identity = self._identity.read(moment)
        thermal = self._thermal.read(moment)
        modes = self._modes.read(moment)
        if identity.uuid:
            self._seen = self._all_seen.get(identity, self._seen)
        pcie = self.pcie.read(
            moment,
            bus_id=identity.pci_bus_id,
            performance_state=modes.performance_state,
            gpu_percent=utilization.gpu_percent,
            virtualization_mode=modes.virtualization_mode,
            seen=self._seen,
        )
        listed = self._processes.read(started, utilization.gpu_percent)
        mig = self._mig.read(moment)
        listed = mig.processes(listed)
        reading = GpuReading(
            sampled_since_boot=since_boot,
            identity=identity,
            memory=memory,
            utilization=utilization,
            gpm=gpm,
            engines=self._engines.read(moment, utilization.gpu_percent),
            thermal=thermal,
            power=self._power.read(moment),
            clocks=self._clocks.read(moment),
            throttling=self._throttling.read(moment.verdicts),
            fans=self._fans.read(started, thermal.gpu_celsius),
            pcie=pcie,
            nvlink=self._nvlink.read(moment, self._seen),
            fabric=self._fabric.read(moment.verdicts),
            memory_errors=self._memory_errors.get(moment.verdicts),
            inforom=self.inforom.read(),
            modes=modes,
            recovery=self._recovery.read(moment),
            processes=listed.processes,
            process_list_is_partial=listed.is_partial,
            mig=mig.mig,
            unknown=record.unknown,
            driver_errors=record.errors,
        )
        self._raise_if_silent(reading)
        return self._stand_ins.fill(reading, started)

    def forget_errors(self) -> None:
        self._memory_errors.forget()
        self._recovery.forget_repairs()
        self._stand_ins.forget("memory_errors")

    def _raise_if_silent(self, reading: GpuReading) -> None:
        """Raise if the driver reports neither memory nor any other current value: the GPU is out of reach."""
        refusal = self._memory.refusal
        if refusal is not None and refusal.reason is Reason.FAILED and not _has_live_values(reading):
            raise pynvml.NVMLError(refusal.code)


def _has_live_values(reading: GpuReading) -> bool:
    live = (
        reading.utilization.gpu_percent,
        reading.thermal.gpu_celsius,
        reading.power.usage_watts,
        reading.clocks.graphics_mhz,
        reading.processes,
    )
    return any(value is not None for value in live)
