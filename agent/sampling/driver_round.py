"""A round with the driver: reads it and each GPU, renews contact if GPUs are missing, or releases NVML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.sampling.sleep_policy import Round

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.sampling.census import Census
    from agent.sampling.contact import Contact
    from agent.sampling.known_xids import KnownXids
    from agent.sampling.replaced_driver import ReplacedDriver
    from agent.sampling.sleep import Sleep
    from agent.sampling.topology import KnownTopology
    from agent.sampling.worker import Worker
    from agent.sampling.workers import Workers
    from agent.sampling.xid_watch import XidWatch


class DriverRound:
    """Lives on the event loop: its methods may only be called there."""

    def __init__(
        self,
        contact: Contact,
        census: Census,
        topology: KnownTopology,
        sleep: Sleep,
        *,
        xids: XidWatch | None,
        known_xids: KnownXids,
        replaced_driver: ReplacedDriver | None,
        workers: Workers,
        clock: Callable[[], float],
    ) -> None:
        self._contact = contact
        self._census = census
        self._topology = topology
        self._sleep = sleep
        self._xids = xids
        self._known_xids = known_xids
        self._replaced_driver = replaced_driver
        self._new_process: Worker[int | None] = workers.start("new process")  # is waited for there
        self._clock = clock
        self._is_check = False  # the present round

    async def take(self, started: float, *, watched: bool) -> None:
        """Run the round that began at `started`. `watched`: whether there is demand."""
        todo = await self._sleep.decide(started, watched=watched)
        self._is_check = todo is Round.CHECK
        if todo in (Round.SAMPLE, Round.CHECK):
            await self._sample(started, watched=watched)
        elif todo is Round.RELEASE:
            await self._release()

    async def end(self) -> None:
        """End the round, after its Snapshot was made: after a check, idle GPUs may sleep at once."""
        if self._is_check and self._contact.are_idle:
            await self._release()

    async def _release(self) -> None:
        if self._xids is None or self._xids.pause():  # which holds NVML too
            await self._contact.release()

    async def _sample(self, started: float, *, watched: bool) -> None:
        waits_for_xids = self._census.is_outdated and not await self._renew_contact()
        await self._contact.refresh(started)
        self._census.follow(self._contact.gpu_count)
        if self._contact.is_made:
            for slot in self._contact.gpus:
                slot.follow_xids(self._known_xids.about_memory)
            await self._contact.read_gpus(started, watched=watched)
            gpu_count = len(self._contact.gpus)
            self._topology.request(gpu_count)
            if self._xids is not None and not waits_for_xids:
                self._xids.follow(gpu_count)
        if self._replaced_driver is not None:
            self._replaced_driver.follow(self._new_process, self._contact.mismatched_at, self._clock())

    async def _renew_contact(self) -> bool:
        """Release NVML, so that this round makes contact anew; not while a call is running.

        Returns False if XidWatch must be waited for until the next round.
        """
        if self._contact.some_are_busy:
            return True
        if self._xids is not None and not self._xids.pause():
            return False
        if await self._contact.release():
            self._census.renewed()
        return True
