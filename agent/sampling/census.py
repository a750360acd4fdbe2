"""Whether all expected GPUs are there; a low count is confirmed in a new process before it is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import GpuCensus

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.sampling.worker import Worker
    from agent.sampling.workers import Workers

# Seconds from one recount to the next, doubled each time: a recount tries to initialize a broken GPU, which
# blocks the driver meanwhile.
RECOUNT_PACE = 60.0
SLOWEST_PACE = 960.0
# Seconds after which an unfinished recount no longer delays the verdict.
PATIENCE = 60.0


class Census:
    """Counts again in a new process while GPUs are missing. Lives on the event loop.

    `expected`: number of GPUs, 0 for any number. `seen`: the highest number that a previous run counted.
    `recount` returns the number of GPUs, or None on failure; without it, the driver's count is not confirmed.
    """

    def __init__(
        self,
        workers: Workers,
        recount: Callable[[], int | None] | None,
        *,
        expected: int,
        seen: int = 0,
        clock: Callable[[], float],
    ) -> None:
        self._workers = workers
        self._recount = recount
        self._expected = expected
        self._clock = clock
        self._seen = 0 if expected else seen  # the most that were counted at once
        self._count: int | None = None  # None: no contact
        self._worker: Worker[int | None] | None = None  # none is needed before a GPU is missing
        # Seconds of the monotonic clock.
        self._counted_from = self._renewed_at = self._due_at = float("-inf")
        self._pace = RECOUNT_PACE

    @property
    def workers(self) -> list[Worker[int | None]]:
        """The workers to wait for."""
        return [self._worker] if self._worker is not None else []

    @property
    def reading(self) -> GpuCensus:
        """The values that the number of GPUs is judged by."""
        return GpuCensus(self._expected, self._seen, is_confirmed=self._is_confirmed)

    @property
    def is_outdated(self) -> bool:
        """Whether a new contact with the driver would find missing GPUs."""
        worker = self._worker
        result = worker.result if worker is not None else None
        return (
            self._is_short
            and result is not None
            and result.started_at >= max(self._counted_from, self._renewed_at)
            and (result.reading or 0) > (self._count or 0)
        )

    def follow(self, count: int | None) -> None:
        """Take the driver's count of GPUs; None: there is no contact."""
        now = self._clock()
        if count != self._count:
            self._count, self._counted_from, self._due_at = count, now, now
            self._pace = RECOUNT_PACE
        self._seen = max(self._seen, count or 0)
        if self._recount is not None and self._is_short and now >= self._due_at:
            if self._worker is None:
                self._worker = self._workers.start("recount")
            if self._worker.request(self._recount):
                self._due_at = now + self._pace
                self._pace = min(2 * self._pace, SLOWEST_PACE)

    def renewed(self) -> None:
        """Forget the recount, because contact is made anew."""
        self._renewed_at = self._clock()

    @property
    def _is_short(self) -> bool:
        return self._count is not None and self._count < max(self._expected, self._seen)

    @property
    def _is_confirmed(self) -> bool:
        worker = self._worker
        if self._recount is None or not self._is_short:
            return True
        if worker is None:
            return False
        if worker.result is not None and worker.result.started_at >= self._counted_from:
            return not self.is_outdated
        return worker.busy_since is not None and self._clock() - worker.busy_since >= PATIENCE
