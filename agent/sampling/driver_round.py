"""A round with the driver: asks it and each GPU, makes contact anew where that finds more, or lets it go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.sampling.bedtime import Round

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
    """Lives on the event loop: no method may be called from elsewhere."""

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

    async def take(self, started: float, *, watched: bool) -> None:
        """Take the round that `started` then. `watched`: whether somebody looks."""
        todo = await self._sleep.decide(started, watched=watched)
        if todo is Round.SAMPLE:
            await self._sample(started, watched=watched)
        elif todo is Round.LET_GO and (self._xids is None or self._xids.pause()):  # which holds NVML too
            await self._contact.release()

    async def _sample(self, started: float, *, watched: bool) -> None:
        waits_for_xids = self._census.is_outdated and not await self._renew_contact()
        await self._contact.look(started)
        self._census.follow(self._contact.gpu_count)
        if self._contact.is_made:
            for slot in self._contact.gpus:
                slot.follow_xids(self._known_xids.about_memory)
            await self._contact.read_gpus(started, watched=watched)
            gpu_count = len(self._contact.gpus)
            self._topology.ask(gpu_count)
            if self._xids is not None and not waits_for_xids:
                self._xids.follow(gpu_count)
        if self._replaced_driver is not None:
            self._replaced_driver.follow(self._new_process, self._contact.mismatched_at, self._clock())

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
