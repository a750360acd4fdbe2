"""One round of sampling: asks every worker, waits a moment, and assembles what there is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from agent.readings import GpuState, HostReading, Snapshot
from agent.sampling.gpu_slot import Gpu, GpuSlot
from agent.sampling.states import STALE_INTERVALS
from agent.sampling.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.readings import DriverReading
    from agent.sampling.ledger import Ledger

logger = logging.getLogger(__name__)

# Seconds; no request waits longer than this for the driver. The host has the last part of it.
MAX_WAIT = 0.25
MAX_WAIT_FOR_GPUS = 0.2
# Seconds between two looks at the number of GPUs while all is well.
DRIVER_PACE = 5.0
# Seconds that the exit waits for the workers.
JOIN_TIMEOUT = 0.5


class Driver(Protocol):
    """What the collector needs of the driver as a whole."""

    def read(self) -> DriverReading: ...
    def release(self) -> None: ...


class Host(Protocol):
    """What the collector needs of the host."""

    def read(self, pids: frozenset[int]) -> HostReading: ...


class Collector:
    """Owns every worker. Lives on the event loop: no method may be called from elsewhere."""

    def __init__(
        self,
        driver: Driver,
        open_gpu: Callable[[int], Gpu],
        host: Host,
        *,
        sample_interval: float,
        sample_timeout: float,
        history_interval: float = 0,
        simulated: bool = False,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._driver_source = driver
        self._open_gpu = open_gpu
        self._host_source = host
        self._sample_interval = sample_interval
        self._sample_timeout = sample_timeout
        self._stale_after = STALE_INTERVALS * max(sample_interval, history_interval)
        self._simulated = simulated
        self._ledger = ledger
        self._clock = clock
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._waiting_for: set[Worker[Any]] = set()
        self._all_answered = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._driver: Worker[DriverReading | None] = self._start("driver")
        self._host: Worker[HostReading] = self._start("host")
        self._contact: DriverReading | None = None  # what the driver last said, until it fails or goes
        self._slots: list[GpuSlot] = []  # as many as there ever were GPUs
        self._driver_asked_at = float("-inf")
        self._logged_driver: DriverReading | str | None = None
        self._logged_stuck: set[str] = set()  # names of workers

    async def collect(self) -> Snapshot:
        """One round; never takes longer than MAX_WAIT, whatever hangs."""
        async with self._one_at_a_time:
            return await self._collect()

    async def release(self) -> bool:
        """Let go of NVML unless a call is out, and say whether it was; the next round makes contact anew."""
        async with self._one_at_a_time:
            return await self._release()

    def close(self) -> bool:
        """End every worker; says whether all of them did, or some driver call is still out."""
        workers = list(self._workers())
        for worker in workers:
            worker.stop()
        deadline = self._clock() + JOIN_TIMEOUT
        for worker in workers:
            worker.join(max(0.0, deadline - self._clock()))
        return all(worker.ended for worker in workers)

    async def _collect(self) -> Snapshot:
        started = self._clock()
        if self._driver_is_in_doubt():
            self._ask_driver(started)
            await self._wait([self._driver], started + MAX_WAIT_FOR_GPUS)
        elif started - self._driver_asked_at >= DRIVER_PACE:
            self._ask_driver(started)
        self._follow_driver()
        if self._is_in_contact():
            for slot in self._gpus:
                slot.request()
            await self._wait((slot.worker for slot in self._gpus), started + MAX_WAIT_FOR_GPUS)
        pids = frozenset(process.pid for slot in self._gpus for process in slot.processes)
        self._host.request(lambda: self._host_source.read(pids))
        await self._wait([self._host], started + MAX_WAIT)
        snapshot = self._assemble(started)
        if self._ledger is not None:
            snapshot = replace(snapshot, ledger=self._ledger.update(snapshot))
        self._log_changes(snapshot)
        return snapshot

    async def _release(self) -> bool:
        deadline = self._clock() + MAX_WAIT_FOR_GPUS
        if not self._is_in_contact() or self._some_are_busy():
            return not self._is_in_contact()
        for slot in self._slots:
            slot.release()
        await self._wait((slot.worker for slot in self._slots), deadline)
        now = self._clock()
        for slot in self._slots:
            slot.released(now)
        if self._some_are_busy():
            return False
        self._driver.request(self._driver_source.release)
        await self._wait([self._driver], deadline)
        return True

    def _some_are_busy(self) -> bool:
        return any(worker.busy_since is not None for worker in self._workers())

    def _start(self, name: str) -> Worker[Any]:
        return Worker(name, self._answered, self._clock)

    def _workers(self) -> Iterable[Worker[Any]]:
        yield self._driver
        yield self._host
        for slot in self._slots:
            yield slot.worker

    # Waiting

    def _answered(self, worker: Worker[Any]) -> None:
        """In the worker's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: a hung call came back during exit
            self._loop.call_soon_threadsafe(self._count_off, worker)

    def _count_off(self, worker: Worker[Any]) -> None:
        if worker.busy_since is None:
            self._waiting_for.discard(worker)
        if not self._waiting_for:
            self._all_answered.set()

    async def _wait(self, workers: Iterable[Worker[Any]], deadline: float) -> None:
        """Until each has answered, those apart that are stuck; or until `deadline`."""
        now = self._clock()
        self._waiting_for = {
            worker
            for worker in workers
            if worker.busy_since is not None and now - worker.busy_since < self._sample_timeout
        }
        if self._waiting_for:
            self._all_answered.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline - now):
                    await self._all_answered.wait()

    # The driver and its GPUs

    @property
    def _gpus(self) -> list[GpuSlot]:
        """The slots of the GPUs that the driver counts."""
        return self._slots[: self._contact.gpu_count] if self._contact else []

    def _is_in_contact(self) -> bool:
        return self._driver.answer is not None and self._driver.answer.reading is not None

    def _driver_is_in_doubt(self) -> bool:
        return not self._is_in_contact() or any(
            slot.answer is not None and slot.answer.error for slot in self._gpus
        )

    def _ask_driver(self, now: float) -> None:
        self._driver.request(self._driver_source.read)
        self._driver_asked_at = now

    def _follow_driver(self) -> None:
        """As many slots as the driver has GPUs, and none of another contact."""
        answer = self._driver.answer
        if answer is None or (answer.reading is None and answer.error is None):
            return  # no contact yet, or let go: the GPUs are expected back as they were
        before, self._contact = self._contact, answer.reading
        if before is not None and (answer.reading is None or answer.reading.gpu_count != before.gpu_count):
            now = self._clock()
            for slot in self._slots:
                slot.renew(now)
        for index in range(len(self._slots), self._contact.gpu_count if self._contact else 0):
            self._slots.append(GpuSlot(index, self._open_gpu(index), self._start(f"gpu{index}")))

    # The result

    def _assemble(self, started: float) -> Snapshot:
        now = self._clock()
        host = self._host.answer
        host_is_fresh = host is not None and now - host.started_at <= self._stale_after
        return Snapshot(
            taken_at=self._now(),
            taken_monotonic=started,
            driver=self._contact,
            driver_error=self._driver.answer.error if self._driver.answer else None,
            gpus=tuple(
                slot.judge(
                    now,
                    sample_interval=self._sample_interval,
                    stale_after=self._stale_after,
                    sample_timeout=self._sample_timeout,
                )
                for slot in self._gpus
            ),
            host=host.reading if host is not None and host_is_fresh else None,
            simulated=self._simulated,
        )

    def _log_changes(self, snapshot: Snapshot) -> None:
        """One line per change of state."""
        driver = snapshot.driver_error or snapshot.driver
        if driver is not None and driver != self._logged_driver:
            self._logged_driver = driver
            if snapshot.driver is not None:
                logger.info("%s", _describe(snapshot.driver))
            else:
                logger.warning("%s. Without a GPU, --simulate 8 shows what the agent does", driver)
        for slot, gpu in zip(self._gpus, snapshot.gpus, strict=True):
            if gpu.state is slot.logged or gpu.state in (GpuState.STARTING, GpuState.STALE):
                continue
            if gpu.state is not GpuState.OK:
                logger.warning("GPU %d (%s) is %s. %s", gpu.index, gpu.identity.uuid, gpu.state, gpu.error)
            elif slot.logged is not GpuState.STARTING:
                logger.info("GPU %d (%s) is ok again", gpu.index, gpu.identity.uuid)
            slot.logged = gpu.state
        self._log_stuck(self._driver, "The NVIDIA driver", "the number of GPUs may have changed")
        self._log_stuck(self._host, "The host", "its values and the names of processes are unknown")

    def _log_stuck(self, worker: Worker[Any], name: str, meaning: str) -> None:
        busy_since = worker.busy_since
        if (busy_since is not None and self._clock() - busy_since >= self._sample_timeout) == (
            worker.name in self._logged_stuck
        ):
            return
        self._logged_stuck ^= {worker.name}
        if busy_since is not None:
            logger.warning("%s has not answered for %g s: %s", name, self._sample_timeout, meaning)
        else:
            logger.info("%s answers again", name)


def _describe(driver: DriverReading) -> str:
    gpus = "1 GPU" if driver.gpu_count == 1 else f"{driver.gpu_count} GPUs"
    return f"NVIDIA driver {driver.driver_version or 'of unknown version'}: {gpus}"
