"""Decides when to sample and hands out Snapshots; all clients share one sample."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from agent.readings import seconds_since_boot
from agent.sampling.pace import Pace, is_due, next_due, release_after

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from agent.readings import Snapshot
    from agent.sampling.collector import Collector

logger = logging.getLogger(__name__)


class Sampler:
    """Samples on demand, or for history, from `start` to `stop`. Lives on the event loop."""

    def __init__(
        self,
        collector: Collector,
        pace: Pace,
        *,
        clock: Callable[[], float] = time.monotonic,
        since_boot: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self._collector = collector
        self._pace = pace
        self._clock = clock
        self._since_boot = since_boot
        self._newest: Snapshot | None = None
        # The newest Snapshot, or the round that is under way: not all of one in the background is new.
        self._is_for_viewers = True
        self._round: asyncio.Task[Snapshot] | None = None
        self._last_tick = clock()
        self._tick_interval: float | None = None  # None: no tick is planned
        self._polled_at = float("-inf")
        self._stream_intervals: Counter[float] = Counter()
        self._waiting: set[asyncio.Future[bool]] = set()  # streams, for the next tick
        self._demand_changed = asyncio.Event()
        self._ending = False
        self.late_samples = 0  # samples since the start that were late by an interval or more
        self._ticker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Make first contact, and sample from here on."""
        self._round = asyncio.create_task(self._run_round(watched=True))
        self._ticker = asyncio.create_task(self._tick_for_ever())

    async def stop(self) -> bool:
        """End everything; returns whether every worker has ended, or a driver call still runs.

        The workers end too if a round fails meanwhile, or the caller is cancelled.
        """
        self.end_streams()
        tasks = [task for task in (self._ticker, self._round) if task is not None]
        for task in tasks:
            task.add_done_callback(_log_fault)
            task.cancel()
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            all_ended = self._collector.close()
        return all_ended

    def end_streams(self) -> None:
        """End every stream after its present event, and start no new one."""
        self._ending = True
        self.wake_streams()

    def wake_streams(self) -> None:
        """Make every stream check at once whether it is over."""
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            _settle(waiter, True)

    async def latest(self, max_age: float | None = None) -> Snapshot:
        """The newest Snapshot if it is at most `max_age` seconds old, else a new one.

        `max_age` defaults to SAMPLE_INTERVAL. Simultaneous callers share one sample. Never takes longer than
        the collector's MAX_WAIT, or twice that while a background sample is running.
        """
        newest = self.fresh(max_age)
        return await self._sample(watched=True) if newest is None else newest

    def fresh(self, max_age: float | None = None) -> Snapshot | None:
        """The newest Snapshot if it is at most `max_age` seconds old, as in `latest`; None: one is due."""
        now = self._clock()
        self._polled_at = now
        newest = self._newest
        limit = self._pace.sample_interval if max_age is None else max_age
        if newest is not None and self._is_for_viewers and self._age(newest, now) <= limit:
            if self._tick_interval is None or self._tick_interval > self._pace.sample_interval:
                self._demand_changed.set()
            return newest
        self._demand_changed.set()
        return None

    def _age(self, snapshot: Snapshot, now: float) -> float:
        # The monotonic clock has the start of its round, but leaves out the time of a suspend.
        return max(now - snapshot.taken_monotonic, self._since_boot() - snapshot.taken_since_boot)

    async def watch(
        self, interval: float, heartbeat: float, is_over: Callable[[], bool] = lambda: False
    ) -> AsyncGenerator[Snapshot | None]:
        """A Snapshot now and then one each `interval` seconds; None after `heartbeat` seconds of silence.

        It ends when `is_over()`, which is checked at each tick and at `wake_streams`. A slow reader gets the
        newest Snapshot, never the missed ones.
        """
        self._stream_intervals[interval] += 1
        self._demand_changed.set()
        try:
            snapshot = await self.latest()
            due = snapshot.taken_monotonic + interval
            yield snapshot
            spoken_at = self._clock()
            while not (self._ending or is_over()):
                newest = self._newest or snapshot
                tick_interval = self._tick_interval or interval
                if newest is not snapshot and is_due(due, newest.taken_monotonic, tick_interval):
                    snapshot, due = newest, next_due(due, newest.taken_monotonic, interval)
                    yield snapshot
                elif not await self._ticks_before(spoken_at + heartbeat):
                    yield None
                else:
                    continue  # a tick for other streams is silence for this one
                spoken_at = self._clock()
        finally:
            self._stream_intervals[interval] -= 1
            if not self._stream_intervals[interval]:
                del self._stream_intervals[interval]
            self._demand_changed.set()

    async def _ticks_before(self, due: float) -> bool:
        # Every stream runs this at every tick: a bare future is faster than asyncio.timeout around an Event.
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(due - self._clock(), _settle, waiter, False)
        self._waiting.add(waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiting.discard(waiter)

    async def _sample(self, *, watched: bool) -> Snapshot:
        if self._round is not None and watched and not self._is_for_viewers:
            await asyncio.wait([self._round])
        if self._round is None:
            self._is_for_viewers = watched
            self._round = asyncio.create_task(self._run_round(watched=watched))
        return await asyncio.shield(self._round)  # a client that hangs up must not cancel the others' sample

    def _is_watched(self) -> bool:
        """Whether there is demand; False if samples are taken for history only."""
        return bool(self._stream_intervals) or self._pace.lingers(self._polled_at, self._clock())

    async def _run_round(self, *, watched: bool) -> Snapshot:
        try:
            snapshot = self._newest = await self._collector.collect(watched=watched)
            self._last_tick = snapshot.taken_monotonic
        finally:
            self._round = None
        self.wake_streams()
        return snapshot

    async def _tick_for_ever(self) -> None:
        demand_since = self._clock()
        while True:
            self._demand_changed.clear()
            self._tick_interval = self._pace.tick_interval(
                self._last_tick,
                self._stream_intervals,
                self._polled_at,
                gpus_may_sleep=self._collector.gpus_may_sleep,
            )
            if self._tick_interval is None:
                await self._wait_for_demand()
                demand_since = self._clock()
            elif await self._demand_changes_before(due := self._last_tick + self._tick_interval):
                demand_since = self._clock()
            else:
                await self._tick(due, demand_since)

    async def _tick(self, due: float, demand_since: float) -> None:
        try:
            snapshot = await self._sample(watched=self._is_watched())
        except Exception:  # the next tick may succeed; without ticks the streams would stop
            logger.exception("A sample failed")
            self._last_tick = self._clock()
            return
        expected = max(due, demand_since)  # for a viewer who has just come it would have been due before
        if self._tick_interval is not None and snapshot.taken_monotonic - expected >= self._tick_interval:
            self.late_samples += 1
        # The grid is kept in spite of some milliseconds of delay, but not to make up for missed ticks.
        if self._tick_interval is not None and 0 <= snapshot.taken_monotonic - due < self._tick_interval:
            self._last_tick = due

    async def _wait_for_demand(self) -> None:
        """Without demand and history, release even NVML after a while."""
        patience = release_after(gpus_may_sleep=self._collector.gpus_may_sleep)
        due = max(self._last_tick, self._polled_at) + patience
        while not await self._demand_changes_before(due):
            if await self._release():
                await self._demand_changed.wait()
            due = self._clock() + patience  # a call is running: it may have returned by then

    async def _release(self) -> bool:
        try:
            return await self._collector.release()
        except Exception:  # as in _tick
            logger.exception("Releasing the driver failed")
            return False

    async def _demand_changes_before(self, due: float) -> bool:
        try:
            async with asyncio.timeout(due - self._clock()):
                return await self._demand_changed.wait()
        except TimeoutError:
            return False


def _log_fault(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("Sampling has ended with a fault", exc_info=error)


def _settle(waiter: asyncio.Future[bool], ticked: bool) -> None:
    if not waiter.done():
        waiter.set_result(ticked)
