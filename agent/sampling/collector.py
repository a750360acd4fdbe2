"""One round of sampling: asks every worker, waits a moment, and assembles what there is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from agent.readings import Snapshot, seconds_since_boot
from agent.readings.troubles import LIB_RM_VERSION_MISMATCH
from agent.sampling.census import Census
from agent.sampling.change_log import ChangeLog
from agent.sampling.elimination import with_the_last_one_named
from agent.sampling.gpu_slot import GpuSlot
from agent.sampling.states import STALE_INTERVALS
from agent.sampling.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.readings import DriverReading, GpuSample, HostReading, ProcessesReading, Topology
    from agent.sampling.gpu_slot import Gpu
    from agent.sampling.history import History
    from agent.sampling.interfaces import Connections, Driver, Host, Processes
    from agent.sampling.ledger import Ledger
    from agent.sampling.replaced_driver import ReplacedDriver
    from agent.sampling.worker import Worker
    from agent.sampling.xid_watch import XidWatch

# Seconds; no request waits longer than this for the driver. The processes have the last part of it.
MAX_WAIT = 0.25
MAX_WAIT_FOR_GPUS = 0.2
# Seconds between two looks at the number of GPUs while all is well.
DRIVER_PACE = 5.0
# Seconds until a topology that is not known in full is asked for again.
TOPOLOGY_RETRY = 60.0
# Seconds by which the wall clock has been set: less is the time between reading one clock and the other.
WALL_CLOCK_STEP = 0.01

Reading = TypeVar("Reading")


class Collector:
    """Owns every worker. Lives on the event loop: no method may be called from elsewhere."""

    def __init__(
        self,
        driver: Driver,
        open_gpu: Callable[[int], Gpu],
        host: Host,
        processes: Processes,
        *,
        sample_interval: float,
        sample_timeout: float,
        history_interval: float = 0,
        simulated: bool = False,
        connections: Connections | None = None,
        ledger: Ledger | None = None,
        history: History | None = None,
        xids: XidWatch | None = None,
        expected_gpus: int = 0,
        recount: Callable[[], int | None] | None = None,
        replaced_driver: ReplacedDriver | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self._driver_source = driver
        self._open_gpu = open_gpu
        self._host_source = host
        self._process_source = processes
        self._sample_interval = sample_interval
        self._sample_timeout = sample_timeout
        self._stale_after = STALE_INTERVALS * max(sample_interval, history_interval)
        self._simulated = simulated
        self._connections = connections
        self._ledger = ledger
        self._history = history
        self._xids = xids
        self._replaced_driver = replaced_driver
        self._clock = clock
        self._now = now
        self._since_boot = since_boot
        self._booted_at = float("-inf")  # seconds since the epoch, by the wall clock as it is set now
        self._one_at_a_time = asyncio.Lock()
        self._workers = Workers(sample_timeout, clock)
        self._census = Census(self._workers, recount, expected=expected_gpus, clock=clock)
        self._driver: Worker[DriverReading | None] = self._workers.start("driver")
        self._host: Worker[HostReading] = self._workers.start("host")
        self._processes: Worker[ProcessesReading] = self._workers.start("processes")
        self._topology: Worker[Topology] = self._workers.start("topology")
        self._new_process: Worker[int | None] = self._workers.start("new process")
        self._contact: DriverReading | None = None  # what the driver last said, until it fails or goes
        self._slots: list[GpuSlot] = []  # as many as there ever were GPUs
        self._driver_asked_at = float("-inf")
        self._topology_asked_at = float("-inf")
        self._change_log = ChangeLog()

    async def collect(self, *, watched: bool = True) -> Snapshot:
        """One round; never takes longer than MAX_WAIT, whatever hangs. `watched`: whether somebody looks."""
        async with self._one_at_a_time:
            return await self._collect(watched=watched)

    async def release(self) -> bool:
        """Let go of NVML unless a call is out, and say whether it was; the next round makes contact anew."""
        async with self._one_at_a_time:
            return await self._release()

    def close(self) -> bool:
        """End every worker; says whether all of them did, or some driver call is still out."""
        return self._workers.close(self._xids)

    async def _collect(self, *, watched: bool) -> Snapshot:
        started = self._clock()
        self._host.request(self._host_source.read)
        waits_for_xids = self._census.is_outdated and not await self._renew_contact()
        if self._driver_is_in_doubt():
            self._ask_driver(started)
            await self._workers.wait([self._driver], started + MAX_WAIT_FOR_GPUS)
        elif started - self._driver_asked_at >= DRIVER_PACE:
            self._ask_driver(started)
        self._follow_driver()
        self._census.follow(self._contact.gpu_count if self._contact else None)
        if self._is_in_contact():
            for slot in self._gpus:
                slot.request()
            await self._workers.wait((slot.worker for slot in self._gpus), started + MAX_WAIT_FOR_GPUS)
            self._ask_topology(started)
            if self._xids is not None and not waits_for_xids:
                self._xids.follow(len(self._gpus))
        if self._replaced_driver is not None:
            self._replaced_driver.follow(self._new_process, self._mismatched_at(), self._clock())
        pids = frozenset(process.pid for slot in self._gpus for process in slot.processes)
        self._processes.request(lambda: self._process_source.read(pids, watched=watched))
        await self._workers.wait([self._host, self._processes, *self._census.workers], started + MAX_WAIT)
        snapshot = self._assemble(started)
        if self._ledger is not None:
            snapshot = replace(snapshot, ledger=self._ledger.update(snapshot))
        if self._history is not None:
            self._history.add(snapshot)
        self._log(snapshot)
        return snapshot

    async def _release(self) -> bool:
        deadline = self._clock() + MAX_WAIT_FOR_GPUS
        if not self._is_in_contact() or self._some_are_busy():
            return not self._is_in_contact()
        for slot in self._slots:
            slot.release()
        await self._workers.wait((slot.worker for slot in self._slots), deadline)
        now = self._clock()
        for slot in self._slots:
            slot.released(now)
        if self._some_are_busy():
            return False
        self._driver.result = None  # nobody is in contact from here on
        self._driver.request(self._driver_source.release)
        await self._workers.wait([self._driver], deadline)
        return True

    async def _renew_contact(self) -> bool:
        """Let go of NVML, so that this round makes contact anew; not while a call is out.

        Says whether that is settled, or XidWatch is waited for until the next round.
        """
        if self._some_are_busy():
            return True
        if self._xids is not None and not self._xids.pause():
            return False
        if await self._release():
            self._census.renewed()
        return True

    def _some_are_busy(self) -> bool:
        """Whether some call of the driver is out."""
        busy_since = [slot.worker.busy_since for slot in self._slots]
        busy_since += [self._driver.busy_since, self._topology.busy_since]
        return any(since is not None for since in busy_since)

    # The driver and its GPUs

    @property
    def _gpus(self) -> list[GpuSlot]:
        """The slots of the GPUs that the driver counts."""
        return self._slots[: self._contact.gpu_count] if self._contact else []

    def _is_in_contact(self) -> bool:
        return self._driver.result is not None and self._driver.result.reading is not None

    def _driver_is_in_doubt(self) -> bool:
        return not self._is_in_contact() or any(
            slot.result is not None and slot.result.error for slot in self._gpus
        )

    def _mismatched_at(self) -> float | None:
        """When the latest read began whose answer was that library and kernel module do not fit."""
        results = [self._driver.result, *(slot.result for slot in self._gpus)]
        return max(
            (result.started_at for result in results if result and result.code == LIB_RM_VERSION_MISMATCH),
            default=None,
        )

    def _ask_driver(self, now: float) -> None:
        self._driver.request(self._driver_source.read)
        self._driver_asked_at = now

    def _ask_topology(self, now: float) -> None:
        """Once, and again while some of it is not told. Nobody waits for it."""
        known = self._known_topology()
        if self._connections is None or (known is not None and known.is_complete):
            return
        if now - self._topology_asked_at >= TOPOLOGY_RETRY:
            self._topology_asked_at = now
            connections, count = self._connections, len(self._gpus)
            self._topology.request(lambda: connections.read(count))

    def _known_topology(self) -> Topology | None:
        result = self._topology.result
        known = result.reading if result is not None else None
        return known if known is not None and len(known.levels) == len(self._gpus) else None

    def _follow_driver(self) -> None:
        """As many slots as the driver has GPUs, and none of another contact."""
        result = self._driver.result
        if result is None or (result.reading is None and result.error is None):
            return  # no contact yet, or let go: the GPUs are expected back as they were
        before, self._contact = self._contact, result.reading
        if before is not None and (result.reading is None or result.reading.gpu_count != before.gpu_count):
            now = self._clock()
            for slot in self._slots:
                slot.renew(now)
        for index in range(len(self._slots), self._contact.gpu_count if self._contact else 0):
            self._slots.append(GpuSlot(index, self._open_gpu(index), self._workers.start(f"gpu{index}")))

    # The result

    def _assemble(self, started: float) -> Snapshot:
        now, since_boot = self._clock(), self._since_boot()
        self._follow_wall_clock(since_boot)
        return Snapshot(
            taken_at=self._booted_at + since_boot,
            taken_monotonic=started,
            taken_since_boot=since_boot,
            driver=self._contact,
            driver_error=self._driver.result.error if self._driver.result else None,
            census=self._census.reading,
            gpus=with_the_last_one_named(
                [self._judge_state(slot, now, since_boot) for slot in self._gpus],
                self._contact.pci_bus_ids if self._contact else (),
            ),
            host=self._fresh(self._host, now),
            processes=self._fresh(self._processes, now),
            topology=self._known_topology(),
            simulated=self._simulated,
            driver_calls=self._driver_source.calls,
        )

    def _fresh(self, worker: Worker[Reading], now: float) -> Reading | None:
        """Its reading, unless it is too old to be shown."""
        result = worker.result
        return result.reading if result and now - result.started_at <= self._stale_after else None

    def _follow_wall_clock(self, since_boot: float) -> None:
        """It is read in another instant than the other clock, so a moment moves only when it has been set."""
        booted_at = self._now() - since_boot
        if abs(booted_at - self._booted_at) > WALL_CLOCK_STEP:
            self._booted_at = booted_at

    def _judge_state(self, slot: GpuSlot, now: float, since_boot: float) -> GpuSample:
        sample = slot.judge_state(
            now,
            since_boot=since_boot,
            booted_at=self._booted_at,
            sample_interval=self._sample_interval,
            stale_after=self._stale_after,
            sample_timeout=self._sample_timeout,
        )
        if self._xids is None:
            return sample
        uuid = sample.identity.uuid
        xids, why_not = self._xids.counts(uuid, self._booted_at), self._xids.why_not(uuid)
        if xids is None and why_not is not None and sample.reading is not None:
            unknown = {**sample.reading.unknown, "xids": why_not}
            return replace(sample, reading=replace(sample.reading, unknown=unknown))
        return sample if xids is None else replace(sample, xids=xids)

    def _log(self, snapshot: Snapshot) -> None:
        self._change_log.note(snapshot)
        self._log_stuck(self._driver, "The NVIDIA driver", "the number of GPUs may have changed")
        self._log_stuck(self._host, "The host", "its values are unknown")
        self._log_stuck(self._processes, "The process table", "users and commands are unknown")

    def _log_stuck(self, worker: Worker[Reading], name: str, meaning: str) -> None:
        stuck_after = self._sample_timeout if self._workers.is_stuck(worker) else None
        self._change_log.note_stuck(name, stuck_after, meaning)
