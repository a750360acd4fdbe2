"""One sampling round: asks every worker, waits briefly, and makes a Snapshot of the results."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.readings import Snapshot, seconds_since_boot
from agent.readings.restored import Restored
from agent.sampling.census import Census
from agent.sampling.change_log import ChangeLog
from agent.sampling.contact import Contact
from agent.sampling.driver_round import DriverRound
from agent.sampling.known_xids import KnownXids, places_of
from agent.sampling.sleep import Sleep
from agent.sampling.states import STALE_INTERVALS, Patience
from agent.sampling.topology import KnownTopology
from agent.sampling.wall_clock import WallClock
from agent.sampling.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.readings import HostReading, ProcessesReading
    from agent.sampling.gpu_slot import Gpu
    from agent.sampling.history import History
    from agent.sampling.interfaces import Connections, Driver, Host, Processes, SleepOfGpus
    from agent.sampling.kernel_log_watch import KernelLogWatch
    from agent.sampling.ledger import Ledger
    from agent.sampling.replaced_driver import ReplacedDriver
    from agent.sampling.worker import Worker
    from agent.sampling.xid_watch import XidWatch

# Seconds; no request waits longer than this. Processes get the time that is left after the GPUs.
MAX_WAIT = 0.25
NOTHING_RESTORED = Restored()


class Collector:
    """Owns every worker. Lives on the event loop: its methods may only be called there."""

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
        """`restored`: the state of the previous run; `keep` is called with every Snapshot, to save it."""
        self._driver_source = driver
        self._host_source = host
        self._process_source = processes
        self._patience = Patience(
            sample_interval, STALE_INTERVALS * max(sample_interval, history_interval), sample_timeout
        )
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
        self._clock = clock
        self._since_boot = since_boot
        self._wall_clock = WallClock(now)
        self._one_at_a_time = asyncio.Lock()
        self._workers = Workers(sample_timeout, clock, since_boot)
        self._census = Census(
            self._workers, recount, expected=expected_gpus, seen=restored.gpu_count, clock=clock
        )
        self._topology = KnownTopology(connections, self._workers.start("topology"), clock)
        self._contact = Contact(driver, open_gpu, self._workers, topology=self._topology.worker, clock=clock)
        self._host: Worker[HostReading] = self._workers.start("host")
        self._processes: Worker[ProcessesReading] = self._workers.start("processes")
        self._sleep = Sleep(
            *(runtime_power, self._contact, self._workers),
            stale_after=self._patience.stale_after,
            since_boot=since_boot,
        )
        self._driver_round = DriverRound(
            *(self._contact, self._census, self._topology, self._sleep),
            xids=xids,
            known_xids=self._known_xids,
            replaced_driver=replaced_driver,
            workers=self._workers,
            clock=clock,
        )
        self._change_log = ChangeLog()

    async def collect(self, *, watched: bool = True) -> Snapshot:
        """One round; never takes longer than MAX_WAIT, whatever hangs. `watched`: whether there is demand."""
        async with self._one_at_a_time:
            started = self._clock()
            self._host.request(self._host_source.read)
            await self._driver_round.take(started, watched=watched)
            pids = frozenset(process.pid for slot in self._contact.gpus for process in slot.processes)
            self._processes.request(lambda: self._process_source.read(pids, watched=watched))
            await self._workers.wait([self._host, self._processes, *self._census.workers], started + MAX_WAIT)
            snapshot = self._assemble(started)
            await self._driver_round.end()
            if self._ledger is not None:
                snapshot = replace(snapshot, ledger=self._ledger.update(snapshot))
            if self._history is not None:
                self._history.add(snapshot)
            if self._keep is not None:
                self._keep(snapshot)
            self._log(snapshot)
            return snapshot

    @property
    def gpus_may_sleep(self) -> bool:
        """Whether the GPUs may sleep once NVML is released, as on laptops."""
        return self._sleep.is_allowed

    async def release(self) -> bool:
        """Release NVML unless a call is running; returns whether it was released.

        The next round makes contact anew.
        """
        async with self._one_at_a_time:
            return await self._contact.release()

    def close(self) -> bool:
        """End every worker; returns whether all have ended, or a driver call still runs."""
        return self._workers.close(self._xids, self._kernel_log)

    def _assemble(self, started: float) -> Snapshot:
        now, since_boot = self._clock(), self._since_boot()
        self._wall_clock.follow(since_boot)
        booted_at = self._wall_clock.booted_at
        fresh_from = since_boot - self._patience.stale_after
        processes = self._processes.reading_from(fresh_from)
        judged = self._contact.judge_states(
            now, since_boot=since_boot, booted_at=booted_at, patience=self._patience
        )
        driver, gpus = self._sleep.sleeping(judged, since_boot=since_boot, booted_at=booted_at) or (
            self._contact.reading,
            judged,
        )
        return Snapshot(
            taken_at=booted_at + since_boot,
            taken_monotonic=started,
            taken_since_boot=since_boot,
            driver=driver,
            driver_error=self._contact.error,
            census=self._census.reading,
            gpus=self._known_xids.with_xids(gpus, booted_at, processes),
            host=self._host.reading_from(fresh_from),
            processes=processes,
            topology=self._topology.get(len(self._contact.gpus)),
            kernel_log=self._kernel_log.reading(booted_at, places_of(gpus) if self._contact.reading else None)
            if self._kernel_log is not None
            else None,
            not_offered=self._not_offered,
            simulated=self._simulated,
            driver_calls=self._driver_source.calls,
            stuck_calls=self._contact.stuck_calls,
            driver_is_stuck=self._contact.is_stuck,
        )

    def _log(self, snapshot: Snapshot) -> None:
        self._change_log.note(snapshot)
        for worker, name, meaning in (
            (self._contact.driver, "The NVIDIA driver", "the number of GPUs may have changed"),
            (self._host, "The host", "its values are unknown"),
            (self._processes, "The process table", "users and commands are unknown"),
        ):
            stuck_after = self._patience.sample_timeout if self._workers.is_stuck(worker) else None
            self._change_log.note_stuck(name, stuck_after, meaning)
