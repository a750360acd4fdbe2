"""One round of sampling: asks every worker, waits a moment, and assembles what there is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from agent.readings import DriverReading, Snapshot, seconds_since_boot
from agent.readings.restored import Restored
from agent.sampling.bedtime import Bedtime, Round
from agent.sampling.census import Census
from agent.sampling.change_log import ChangeLog
from agent.sampling.contact import MAX_WAIT_FOR_GPUS, Contact
from agent.sampling.elimination import with_the_last_one_named
from agent.sampling.known_xids import KnownXids, places_of
from agent.sampling.states import STALE_INTERVALS, asleep
from agent.sampling.topology import KnownTopology
from agent.sampling.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.readings import GpuSample, HostReading, ProcessesReading, RuntimePower
    from agent.sampling.gpu_slot import Gpu, GpuSlot
    from agent.sampling.history import History
    from agent.sampling.interfaces import Connections, Driver, Host, Processes, SleepOfGpus
    from agent.sampling.kernel_log_watch import KernelLogWatch
    from agent.sampling.ledger import Ledger
    from agent.sampling.replaced_driver import ReplacedDriver
    from agent.sampling.worker import Worker
    from agent.sampling.xid_watch import XidWatch

# Seconds; no request waits longer than this. The processes have what is left of it after the GPUs.
MAX_WAIT = 0.25
# Seconds by which the wall clock has been set: less is the time between reading one clock and the other.
WALL_CLOCK_STEP = 0.01
NOTHING_RESTORED = Restored()

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
        kernel_log: KernelLogWatch | None = None,
        pids_are_the_hosts: bool = True,
        expected_gpus: int = 0,
        not_offered: tuple[str, ...] = (),
        recount: Callable[[], int | None] | None = None,
        replaced_driver: ReplacedDriver | None = None,
        restored: Restored = NOTHING_RESTORED,
        keep: Callable[[Snapshot], None] | None = None,
        runtime_power: SleepOfGpus | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = seconds_since_boot,
    ) -> None:
        """`restored` is what an agent before this one knew; `keep` has every Snapshot, for the one after."""
        self._driver_source = driver
        self._host_source = host
        self._process_source = processes
        self._sample_interval = sample_interval
        self._sample_timeout = sample_timeout
        self._stale_after = STALE_INTERVALS * max(sample_interval, history_interval)
        self._simulated = simulated
        self._not_offered = not_offered
        self._ledger = ledger
        self._history = history
        self._xids = xids
        self._kernel_log = kernel_log
        self._known_xids = KnownXids(
            xids, kernel_log, pids_are_the_hosts=pids_are_the_hosts, restored=restored.xids
        )
        self._keep = keep
        self._replaced_driver = replaced_driver
        self._clock = clock
        self._now = now
        self._since_boot = since_boot
        self._booted_at = float("-inf")  # seconds since the epoch, by the wall clock as it is set now
        self._one_at_a_time = asyncio.Lock()
        self._workers = Workers(sample_timeout, clock)
        self._census = Census(
            self._workers, recount, expected=expected_gpus, seen=restored.gpu_count, clock=clock
        )
        self._topology = KnownTopology(connections, self._workers.start("topology"), clock)
        self._contact = Contact(driver, open_gpu, self._workers, topology=self._topology.worker, clock=clock)
        self._host: Worker[HostReading] = self._workers.start("host")
        self._processes: Worker[ProcessesReading] = self._workers.start("processes")
        self._runtime_power = runtime_power
        self._bedtime = Bedtime()
        self._power: Worker[RuntimePower | None] = self._workers.start("runtime power")
        self._new_process: Worker[int | None] = self._workers.start("new process")
        self._change_log = ChangeLog()

    async def collect(self, *, watched: bool = True) -> Snapshot:
        """One round; never takes longer than MAX_WAIT, whatever hangs. `watched`: whether somebody looks."""
        async with self._one_at_a_time:
            return await self._collect(watched=watched)

    async def release(self) -> bool:
        """Let go of NVML unless a call is out, and say whether it was; the next round makes contact anew."""
        async with self._one_at_a_time:
            return await self._contact.release()

    def close(self) -> bool:
        """End every worker; says whether all of them did, or some driver call is still out."""
        return self._workers.close(self._xids, self._kernel_log)

    async def _collect(self, *, watched: bool) -> Snapshot:
        started = self._clock()
        self._host.request(self._host_source.read)
        power = await self._read_power(started)
        held, idle = self._contact.is_made, all(slot.is_idle for slot in self._contact.gpus)
        todo = self._bedtime.decide(power, started, watched=watched, is_held=held, is_idle=idle)
        if todo is Round.SAMPLE:
            await self._sample(started, watched=watched)
        elif todo is Round.LET_GO:
            await self._let_go()
        pids = frozenset(process.pid for slot in self._contact.gpus for process in slot.processes)
        self._processes.request(lambda: self._process_source.read(pids, watched=watched))
        await self._workers.wait([self._host, self._processes, *self._census.workers], started + MAX_WAIT)
        snapshot = self._assemble(started, power if power is not None and power.are_suspended else None)
        if self._ledger is not None:
            snapshot = replace(snapshot, ledger=self._ledger.update(snapshot))
        if self._history is not None:
            self._history.add(snapshot)
        if self._keep is not None:
            self._keep(snapshot)
        self._log(snapshot)
        return snapshot

    async def _sample(self, started: float, *, watched: bool) -> None:
        """Ask the driver and each GPU."""
        waits_for_xids = self._census.is_outdated and not await self._renew_contact()
        await self._contact.look(started)
        self._census.follow(self._contact.gpu_count)
        if self._contact.is_made:
            self._follow_xids()
            await self._contact.read_gpus(started, watched=watched)
            gpu_count = len(self._contact.gpus)
            self._topology.ask(gpu_count)
            if self._xids is not None and not waits_for_xids:
                self._xids.follow(gpu_count)
        if self._replaced_driver is not None:
            self._replaced_driver.follow(self._new_process, self._contact.mismatched_at, self._clock())

    async def _read_power(self, started: float) -> RuntimePower | None:
        """Whether GPUs that may sleep do; whether they may is asked once."""
        if self._runtime_power is None:
            return None
        self._power.request(self._runtime_power.read)
        await self._workers.wait([self._power], started + MAX_WAIT_FOR_GPUS)
        result = self._power.result
        if result is not None and result.reading is None:
            self._runtime_power = None
        return result.reading if result is not None else None

    async def _let_go(self) -> None:
        """Let go of NVML, so that the GPUs may sleep; XidWatch holds it too."""
        if self._xids is None or self._xids.pause():
            await self._contact.release()

    def _follow_xids(self) -> None:
        for slot in self._contact.gpus:
            slot.follow_xids(self._known_xids.about_memory)

    async def _renew_contact(self) -> bool:
        """Let go of NVML, so that this round makes contact anew; not while a call is out.

        Says whether that is settled, or XidWatch is waited for until the next round.
        """
        if self._contact.some_are_busy:
            return True
        if self._xids is not None and not self._xids.pause():
            return False
        if await self._contact.release():
            self._census.renewed()
        return True

    def _assemble(self, started: float, sleeping: RuntimePower | None) -> Snapshot:
        now, since_boot = self._clock(), self._since_boot()
        self._follow_wall_clock(since_boot)
        processes = self._fresh(self._processes, now)
        driver = self._contact.reading
        if sleeping is None:
            gpus = with_the_last_one_named(
                [self._judge_state(slot, now, since_boot) for slot in self._contact.gpus],
                driver.pci_bus_ids if driver else (),
            )
        else:
            driver = driver or DriverReading(len(sleeping.bus_ids), pci_bus_ids=sleeping.bus_ids)
            gpus = tuple(self._asleep(driver.gpu_count, sleeping, since_boot))
        return Snapshot(
            taken_at=self._booted_at + since_boot,
            taken_monotonic=started,
            taken_since_boot=since_boot,
            driver=driver,
            driver_error=self._contact.error,
            census=self._census.reading,
            gpus=self._known_xids.of(gpus, self._booted_at, processes),
            host=self._fresh(self._host, now),
            processes=processes,
            topology=self._topology.of(len(self._contact.gpus)),
            kernel_log=self._kernel_log.reading(
                self._booted_at, places_of(gpus) if self._contact.reading else None
            )
            if self._kernel_log is not None
            else None,
            not_offered=self._not_offered,
            simulated=self._simulated,
            driver_calls=self._driver_source.calls,
        )

    def _asleep(self, count: int, sleeping: RuntimePower, since_boot: float) -> list[GpuSample]:
        known = {slot.index: slot.last for slot in self._contact.gpus}
        bus_ids = dict(enumerate(sleeping.bus_ids))
        return [
            asleep(
                index,
                known.get(index),
                bus_id=bus_ids.get(index),
                since_boot=since_boot,
                booted_at=self._booted_at,
            )
            for index in range(count)
        ]

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
        return slot.judge_state(
            now,
            since_boot=since_boot,
            booted_at=self._booted_at,
            sample_interval=self._sample_interval,
            stale_after=self._stale_after,
            sample_timeout=self._sample_timeout,
        )

    def _log(self, snapshot: Snapshot) -> None:
        self._change_log.note(snapshot)
        self._log_stuck(self._contact.driver, "The NVIDIA driver", "the number of GPUs may have changed")
        self._log_stuck(self._host, "The host", "its values are unknown")
        self._log_stuck(self._processes, "The process table", "users and commands are unknown")

    def _log_stuck(self, worker: Worker[Reading], name: str, meaning: str) -> None:
        stuck_after = self._sample_timeout if self._workers.is_stuck(worker) else None
        self._change_log.note_stuck(name, stuck_after, meaning)
