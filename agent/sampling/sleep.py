"""Lets GPUs that may sleep, as those of laptops do, sleep while nobody looks, and shows them meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import DriverReading
from agent.sampling.bedtime import Bedtime, Round
from agent.sampling.contact import MAX_WAIT_FOR_GPUS
from agent.sampling.states import asleep

if TYPE_CHECKING:
    from agent.readings import GpuSample, RuntimePower
    from agent.sampling.contact import Contact
    from agent.sampling.interfaces import SleepOfGpus
    from agent.sampling.worker import Worker
    from agent.sampling.workers import Workers


class Sleep:
    """Lives on the event loop: no method may be called from elsewhere. `source` None: no GPU may sleep."""

    def __init__(self, source: SleepOfGpus | None, contact: Contact, workers: Workers) -> None:
        self._source = source
        self._contact = contact
        self._workers = workers
        self._bedtime = Bedtime()
        self._worker: Worker[RuntimePower | None] = workers.start("runtime power")
        self._suspended: RuntimePower | None = None

    async def decide(self, started: float, *, watched: bool) -> Round:
        """What the round that `started` then is for. `watched`: whether somebody looks."""
        power = await self._read(started)
        self._suspended = power if power is not None and power.are_suspended else None
        return self._bedtime.decide(
            power,
            started,
            watched=watched,
            is_held=self._contact.is_made,
            is_idle=all(slot.is_idle for slot in self._contact.gpus),
        )

    def shown(
        self, since_boot: float, booted_at: float
    ) -> tuple[DriverReading, tuple[GpuSample, ...]] | None:
        """The driver as it was last known, and the GPUs that sleep; None: they are awake.

        The two clocks are those of `states.judge_state`.
        """
        if self._suspended is None:
            return None
        bus_ids = self._suspended.bus_ids
        driver = self._contact.reading or DriverReading(len(bus_ids), pci_bus_ids=bus_ids)
        known = {slot.index: slot.last for slot in self._contact.gpus}
        by_index = dict(enumerate(bus_ids))
        return driver, tuple(
            asleep(
                index,
                known.get(index),
                bus_id=by_index.get(index),
                since_boot=since_boot,
                booted_at=booted_at,
            )
            for index in range(driver.gpu_count)
        )

    async def _read(self, started: float) -> RuntimePower | None:
        """Whether GPUs that may sleep do; whether they may is asked once."""
        if self._source is None:
            return None
        self._worker.request(self._source.read)
        await self._workers.wait([self._worker], started + MAX_WAIT_FOR_GPUS)
        result = self._worker.result
        if result is not None and result.reading is None:
            self._source = None
        return result.reading if result is not None else None
