"""Lets the GPUs of laptops sleep without demand, and reports them meanwhile."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.readings import DriverReading, GpuState
from agent.readings.troubles import UNPLUGGED, unknown_sleep
from agent.sampling.contact import MAX_WAIT_FOR_GPUS
from agent.sampling.sleep_policy import Round, SleepPolicy
from agent.sampling.states import unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.readings import GpuSample, RuntimePower
    from agent.sampling.contact import Contact
    from agent.sampling.gpu_slot import GpuSlot
    from agent.sampling.interfaces import SleepOfGpus
    from agent.sampling.worker import Worker
    from agent.sampling.workers import Workers

# Seconds between two checks whether GPUs that may not sleep may do so now: an administrator, or a
# power-saving tool, can allow it at any time.
ALLOWED_PACE = 60.0

logger = logging.getLogger(__name__)


class Sleep:
    """Lives on the event loop: its methods may only be called there.

    `source` None: no GPU may sleep. A report of the kernel that is older than `stale_after` seconds is no
    longer used; `since_boot` tells the age, because the monotonic clock stands still during a suspend.
    """

    def __init__(
        self,
        source: SleepOfGpus | None,
        contact: Contact,
        workers: Workers,
        *,
        stale_after: float,
        since_boot: Callable[[], float],
    ) -> None:
        self._source = source
        self._contact = contact
        self._workers = workers
        self._stale_after = stale_after
        self._since_boot = since_boot
        self._policy = SleepPolicy()
        self._worker: Worker[RuntimePower | None] = workers.start("runtime power")
        self._power: RuntimePower | None = None  # the kernel's last report; None: not every GPU may sleep
        self._reported_at = float("-inf")  # seconds since boot
        self._requested_at = float("-inf")  # seconds of the monotonic clock
        self._is_unknown = False

    @property
    def is_allowed(self) -> bool:
        """Whether every GPU may sleep."""
        return self._power is not None

    async def decide(self, started: float, *, watched: bool) -> Round:
        """The action of the round that began at `started`. `watched`: whether there is demand."""
        await self._follow(started)
        is_held, power = self._contact.is_made, self._power
        if self._has_never_answered or (self._is_unknown and not is_held):
            return Round.REST  # a call could wake them
        if power is not None and self._is_unknown:
            power = power._replace(are_suspended=False)  # because NVML is held
        return self._policy.decide(
            power, started, watched=watched, is_held=is_held, is_idle=self._contact.are_idle
        )

    def sleeping(
        self, judged: Sequence[GpuSample], *, since_boot: float, booted_at: float
    ) -> tuple[DriverReading, tuple[GpuSample, ...]] | None:
        """The last known driver, and the GPUs that are not read because they sleep or may sleep.

        `judged`: the GPUs of the contact; one with a call that does not return stays stuck. None: they are
        awake. The moments are those of `states.judge_state`.
        """
        power = self._power
        if power is None or (self._is_unknown and self._contact.is_made):
            return None
        if self._is_unknown:
            state, trouble = GpuState.STALE, unknown_sleep(since_boot - self._reported_at)
        elif power.are_suspended:
            state, trouble = GpuState.ASLEEP, None
        else:
            return None
        places = tuple(self._places(power.bus_ids))
        gpus = [
            unread(
                index,
                GpuState.LOST if bus_id is None else state,
                slot.last if slot else None,
                bus_id=bus_id,
                since_boot=since_boot,
                booted_at=booted_at,
                trouble=UNPLUGGED if bus_id is None else trouble,
                before=slot.last_judged if slot and bus_id is not None else None,
            )
            for index, (bus_id, slot) in enumerate(places)
        ]
        for gpu in judged:
            if gpu.state is GpuState.STUCK:
                gpus[gpu.index] = gpu
        driver = self._contact.reading or DriverReading(0)
        count = sum(bus_id is not None for bus_id, _ in places)
        return replace(driver, gpu_count=count, pci_bus_ids=power.bus_ids), tuple(gpus)

    def _places(self, bus_ids: tuple[str, ...]) -> Iterator[tuple[str | None, GpuSlot | None]]:
        """By index: the place of the GPU now (None: gone), and its slot; new GPUs come last, without one.

        A place that is not new, and that no GPU of NVML's list has, is of a GPU that NVML does not list.
        """
        slots = self._contact.gpus
        before = self._contact.reading.pci_bus_ids if self._contact.reading else ()
        named = {slot.last.identity.pci_bus_id for slot in slots if slot.last is not None}
        others = [bus_id for bus_id in bus_ids if bus_id not in named]
        left = iter(sorted(others, key=lambda bus_id: bus_id not in before))
        for slot in slots:
            bus_id = slot.last.identity.pci_bus_id if slot.last is not None else None
            if bus_id is None:
                yield next(left, None), slot
            else:
                yield bus_id if bus_id in bus_ids else None, slot
        yield from ((bus_id, None) for bus_id in left if bus_id not in before)

    @property
    def _has_never_answered(self) -> bool:
        """Whether the first read is still running."""
        first_is_out = self._worker.result is None and self._worker.busy_since is not None
        return first_is_out and not self._workers.is_stuck(self._worker)

    async def _follow(self, started: float) -> None:
        """Read the kernel's state, each time while the GPUs may sleep. An error gives no answer."""
        if self._source is None:
            return
        if self.is_allowed or self._worker.result is None or started - self._requested_at >= ALLOWED_PACE:
            if self._worker.request(self._source.read):
                self._requested_at = started
            await self._workers.wait([self._worker], started + MAX_WAIT_FOR_GPUS)
        result = self._worker.result
        if result is not None and result.error is None:
            self._power, self._reported_at = result.reading, result.started_since_boot
        self._judge()

    def _judge(self) -> None:
        """Whether the kernel's last report is still valid; a change is logged once."""
        seconds = self._since_boot() - self._reported_at
        is_old = seconds > self._stale_after or self._workers.is_stuck(self._worker)
        is_unknown = self.is_allowed and is_old
        if is_unknown and not self._is_unknown:
            result = self._worker.result
            why = result.error if result is not None and result.error else "the read does not return"
            logger.warning("%s (%s)", unknown_sleep(seconds).sentence, why)
        elif self._is_unknown and not is_unknown:
            logger.info("The kernel says again whether the GPUs are asleep")
        self._is_unknown = is_unknown
