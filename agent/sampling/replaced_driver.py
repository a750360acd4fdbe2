"""Detects that the driver was replaced, so that only a new process can use it.

After an upgrade without a reboot, kernel module and library match again, but the agent has the old library in
memory. It cannot be unloaded: threads may be inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.sampling.worker import Worker

PACE = 60.0  # seconds between two checks
WHY = "The NVIDIA driver has been replaced, and only a new process can use it"


class ReplacedDriver:
    """Checks whether a new process can use the driver, while this one has a library of another version.

    `count_in_new_process` returns the number of GPUs, or None if that process cannot use the driver either;
    it may be slow. `restart` is called once, with the reason.
    """

    def __init__(
        self, count_in_new_process: Callable[[], int | None], restart: Callable[[str], object]
    ) -> None:
        self._count_in_new_process = count_in_new_process
        self._restart = restart
        self._requested_at = float("-inf")
        self._mismatched_from: float | None = None
        self._has_restarted = False

    def follow(self, worker: Worker[int | None], mismatched_at: float | None, now: float) -> None:
        """`mismatched_at`: when the latest read began, if it failed by a version mismatch; else None.

        All times are monotonic. `worker` is where a new process may be waited for.
        """
        if mismatched_at is None or self._has_restarted:
            self._mismatched_from = None
            return
        if self._mismatched_from is None:
            self._mismatched_from = now
        result = worker.result
        if result is not None and result.reading is not None and result.started_at >= self._mismatched_from:
            # This process tries again after the new one, because the module may have changed just before
            # both.
            if mismatched_at >= result.started_at + (result.seconds or 0):
                self._has_restarted = True
                self._restart(WHY)
        elif now - self._requested_at >= PACE and worker.request(self._count_in_new_process):
            self._requested_at = now
