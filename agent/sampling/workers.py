"""All workers of a collector: started, waited for and ended together."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from agent.readings import seconds_since_boot
from agent.sampling.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.sampling.kernel_log_watch import KernelLogWatch
    from agent.sampling.xid_watch import XidWatch

# Seconds that the exit waits for the workers.
JOIN_TIMEOUT = 0.5


class Workers:
    """Lives on the event loop: its methods may only be called there.

    A worker that has been busy for `sample_timeout` seconds is stuck, and is not waited for.
    """

    def __init__(
        self,
        sample_timeout: float,
        clock: Callable[[], float],
        since_boot: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self._sample_timeout = sample_timeout
        self._clock = clock
        self._since_boot = since_boot
        self._loop = asyncio.get_running_loop()
        self._all: list[Worker[Any]] = []
        self._waiting_for: set[Worker[Any]] = set()
        self._all_answered = asyncio.Event()

    def start(self, name: str) -> Worker[Any]:
        """Start a worker, which lasts until `close`."""
        worker: Worker[Any] = Worker(name, self._answered, self._clock, self._since_boot)
        self._all.append(worker)
        return worker

    def is_stuck(self, worker: Worker[Any]) -> bool:
        """Whether it has been busy for so long that its read may never return."""
        busy_since = worker.busy_since
        return busy_since is not None and self._clock() - busy_since >= self._sample_timeout

    async def wait(self, workers: Iterable[Worker[Any]], deadline: float) -> None:
        """Wait until each worker that is not stuck has answered, or until `deadline` on the clock."""
        self._waiting_for = {
            worker for worker in workers if worker.busy_since is not None and not self.is_stuck(worker)
        }
        if self._waiting_for:
            self._all_answered.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline - self._clock()):
                    await self._all_answered.wait()

    def close(self, *watches: XidWatch | KernelLogWatch | None) -> bool:
        """End every worker, and these; returns whether all have ended, or a call still runs."""
        threads = [*self._all, *(watch for watch in watches if watch is not None)]
        for thread in threads:
            thread.stop()
        deadline = self._clock() + JOIN_TIMEOUT
        for thread in threads:
            thread.join(max(0.0, deadline - self._clock()))
        return all(thread.ended for thread in threads)

    def _answered(self, worker: Worker[Any]) -> None:
        """Called in the worker's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: a hung call came back during exit
            self._loop.call_soon_threadsafe(self._count_off, worker)

    def _count_off(self, worker: Worker[Any]) -> None:
        if worker.busy_since is None:
            self._waiting_for.discard(worker)
        if not self._waiting_for:
            self._all_answered.set()
