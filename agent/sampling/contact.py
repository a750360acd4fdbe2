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
# Seconds between two looks at the number of GPUs while all is well.
DRIVER_PACE = 5.0


class Contact:
    """Lives on the event loop: no method may be called from elsewhere."""

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
        self.reading: DriverReading | None = None  # what the driver last said, until it fails or goes
        self._topology = topology
        self._slots: list[GpuSlot] = []  # as many as there ever were GPUs
        self._asked_at = float("-inf")  # seconds of the monotonic clock

    @property
    def gpus(self) -> list[GpuSlot]:
        """The slots of the GPUs that the driver counts."""
        return self._slots[: self.reading.gpu_count] if self.reading else []

    @property
    def gpu_count(self) -> int | None:
        """As the driver counts them; None: no contact."""
        return self.reading.gpu_count if self.reading else None

    @property
    def is_made(self) -> bool:
        """Whether the driver has answered, and was not let go since."""
        return self.driver.result is not None and self.driver.result.reading is not None

    @property
    def some_are_busy(self) -> bool:
        """Whether some call of the driver is out."""
        workers: list[Worker[Any]] = [self.driver, self._topology, *(slot.worker for slot in self._slots)]
        return any(worker.busy_since is not None for worker in workers)

    @property
    def error(self) -> str | None:
        """Why there is none, in one sentence; None: there is, or it is not known yet."""
        return self.driver.result.error if self.driver.result else None

    @property
    def mismatched_at(self) -> float | None:
        """When the latest read began whose answer was that library and kernel module do not fit."""
        results = [self.driver.result, *(slot.result for slot in self.gpus)]
        return max(
            (result.started_at for result in results if result and result.code == LIB_RM_VERSION_MISMATCH),
            default=None,
        )

    async def look(self, started: float) -> None:
        """Make it or look after it, in a round that `started` then: waits for the driver while in doubt."""
        if self._is_in_doubt:
            self._ask(started)
            await self._workers.wait([self.driver], started + MAX_WAIT_FOR_GPUS)
        elif started - self._asked_at >= DRIVER_PACE:
            self._ask(started)
        self._follow()

    async def read_gpus(self, started: float, *, watched: bool) -> None:
        """Ask each GPU for a reading, and wait a moment for all of them. `watched`: somebody looks."""
        for slot in self.gpus:
            slot.request(watched=watched)
        await self._workers.wait((slot.worker for slot in self.gpus), started + MAX_WAIT_FOR_GPUS)

    def judge_states(
        self, now: float, *, since_boot: float, booted_at: float, patience: Patience
    ) -> tuple[GpuSample, ...]:
        """The GPUs as a Snapshot taken at `now` shows them; see states.py."""
        gpus = [
            slot.judge_state(now, since_boot=since_boot, booted_at=booted_at, patience=patience)
            for slot in self.gpus
        ]
        return with_the_last_one_named(gpus, self.reading.pci_bus_ids if self.reading else ())

    async def release(self) -> bool:
        """Let go of NVML unless a call is out, and say whether it was; `look` makes contact anew."""
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
        self.driver.result = None  # nobody is in contact from here on
        self.driver.request(self._source.release)
        await self._workers.wait([self.driver], deadline)
        return True

    @property
    def _is_in_doubt(self) -> bool:
        return not self.is_made or any(slot.result is not None and slot.result.error for slot in self.gpus)

    def _ask(self, now: float) -> None:
        self.driver.request(self._source.read)
        self._asked_at = now

    def _follow(self) -> None:
        """As many slots as the driver has GPUs, and none of another contact."""
        result = self.driver.result
        if result is None or (result.reading is None and result.error is None):
            return  # no contact yet, or let go: the GPUs are expected back as they were
        before, self.reading = self.reading, result.reading
        if before is not None and (result.reading is None or result.reading.gpu_count != before.gpu_count):
            now = self._clock()
            for slot in self._slots:
                slot.renew(now)
        for index in range(len(self._slots), self.gpu_count or 0):
            self._slots.append(GpuSlot(index, self._open_gpu(index), self._workers.start(f"gpu{index}")))
