"""The contact with the driver: whether there is one, and the GPUs behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.readings.troubles import LIB_RM_VERSION_MISMATCH
from agent.sampling.elimination import with_the_last_one_named
from agent.sampling.gpu_slot import GpuSlot

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.readings import DriverReading, GpuSample, Topology
    from agent.sampling.gpu_slot import Gpu
    from agent.sampling.interfaces import Driver
    from agent.sampling.states import Patience
    from agent.sampling.worker import Worker
    from agent.sampling.workers import Workers

# Seconds; a round waits no longer than this for the driver.
MAX_WAIT_FOR_GPUS = 0.2
# Seconds between two reads of the number of GPUs without errors.
DRIVER_PACE = 5.0


class Contact:
    """Lives on the event loop: its methods may only be called there."""

    def __init__(
        self,
        driver: Driver,
        open_gpu: Callable[[int], Gpu],
        workers: Workers,
        *,
        topology: Worker[Topology],
        clock: Callable[[], float],
    ) -> None:
        """`topology` is the worker that asks the driver how the GPUs are connected."""
        self._source = driver
        self._open_gpu = open_gpu
        self._workers = workers
        self._clock = clock
        self.driver: Worker[DriverReading | None] = workers.start("driver")
        # The last reading of the driver, until it fails or is released.
        self.reading: DriverReading | None = None
        self._topology = topology
        self._slots: list[GpuSlot] = []  # one for each GPU that there ever was
        self._requested_at = float("-inf")  # seconds of the monotonic clock

    @property
    def gpus(self) -> list[GpuSlot]:
        """The slots of the GPUs that the driver counts."""
        return self._slots[: self.reading.gpu_count] if self.reading else []

    @property
    def gpu_count(self) -> int | None:
        """The driver's count of GPUs; None: no contact."""
        return self.reading.gpu_count if self.reading else None

    @property
    def is_made(self) -> bool:
        """Whether the driver has answered and was not released since."""
        return self.driver.result is not None and self.driver.result.reading is not None

    @property
    def silent_since(self) -> float | None:
        """The start of the running call that makes contact, or ended it; None: there is none, or contact."""
        return None if self.is_made else self.driver.busy_since

    @property
    def is_stuck(self) -> bool:
        """Whether there is no contact because a call does not return."""
        return not self.is_made and self._workers.is_stuck(self.driver)

    @property
    def some_are_busy(self) -> bool:
        """Whether a driver call is running."""
        return any(worker.busy_since is not None for worker in self._callers)

    @property
    def stuck_calls(self) -> int:
        """Number of driver calls that do not return."""
        return sum(self._workers.is_stuck(worker) for worker in self._callers)

    @property
    def _callers(self) -> list[Worker[Any]]:
        return [self.driver, self._topology, *(slot.worker for slot in self._slots)]

    @property
    def are_idle(self) -> bool:
        """Whether all GPUs are idle; False if it is unknown for one of them."""
        return all(slot.is_idle for slot in self.gpus)

    @property
    def error(self) -> str | None:
        """Why there is no contact, in one sentence; None: there is contact, or it is not known yet."""
        return self.driver.result.error if self.driver.result else None

    @property
    def mismatched_at(self) -> float | None:
        """When the latest read began that failed because library and module have different versions."""
        results = [self.driver.result, *(slot.result for slot in self.gpus)]
        return max(
            (result.started_at for result in results if result and result.code == LIB_RM_VERSION_MISMATCH),
            default=None,
        )

    async def refresh(self, started: float) -> None:
        """Make or check contact in the round that began at `started`; waits if contact is in doubt."""
        if self._is_in_doubt:
            self._request(started)
            await self._workers.wait([self.driver], started + MAX_WAIT_FOR_GPUS)
        elif started - self._requested_at >= DRIVER_PACE:
            self._request(started)
        self._follow()

    async def read_gpus(self, started: float, *, watched: bool) -> None:
        """Ask each GPU for a reading, and wait briefly for all of them. `watched`: there is demand."""
        for slot in self.gpus:
            slot.request(watched=watched)
        await self._workers.wait((slot.worker for slot in self.gpus), started + MAX_WAIT_FOR_GPUS)

    def judge_states(
        self, now: float, *, since_boot: float, booted_at: float, patience: Patience
    ) -> tuple[GpuSample, ...]:
        """The GPUs in a Snapshot taken at `now`; see states.py."""
        gpus = [
            slot.judge_state(
                now,
                since_boot=since_boot,
                booted_at=booted_at,
                patience=patience,
                silent_since=self.silent_since,
            )
            for slot in self.gpus
        ]
        return with_the_last_one_named(gpus, self.reading.pci_bus_ids if self.reading else ())

    async def release(self) -> bool:
        """Release NVML unless a call is running; returns whether it was released.

        `refresh` makes contact anew.
        """
        deadline = self._clock() + MAX_WAIT_FOR_GPUS
        if not self.is_made or self.some_are_busy:
            return not self.is_made
        for slot in self._slots:
            slot.release()
        await self._workers.wait((slot.worker for slot in self._slots), deadline)
        now = self._clock()
        for slot in self._slots:
            slot.released(now)
        if self.some_are_busy:
            return False
        self.driver.result = None  # there is no contact from here on
        self.driver.request(self._source.release)
        await self._workers.wait([self.driver], deadline)
        return True

    @property
    def _is_in_doubt(self) -> bool:
        return not self.is_made or any(slot.result is not None and slot.result.error for slot in self.gpus)

    def _request(self, now: float) -> None:
        self.driver.request(self._source.read)
        self._requested_at = now

    def _follow(self) -> None:
        """Make one slot for each GPU of the driver, with nothing of a previous contact."""
        result = self.driver.result
        if result is None or (result.reading is None and result.error is None):
            return  # no contact yet, or released: the same GPUs are expected again
        before, self.reading = self.reading, result.reading
        if before is not None and (result.reading is None or result.reading.gpu_count != before.gpu_count):
            now = self._clock()
            for slot in self._slots:
                slot.renew(now)
        for index in range(len(self._slots), self.gpu_count or 0):
            self._slots.append(GpuSlot(index, self._open_gpu(index), self._workers.start(f"gpu{index}")))
