"""The utilization of one GPU while no process was listed, over the last minute."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from agent.derive.unlisted import lists_no_process, looks_like_ghost
from agent.sampling.peak import PEAK_SECONDS, Peak

if TYPE_CHECKING:
    from agent.readings import GpuReading

# The utilization of a job can be seen for a moment after its process has left the list.
SETTLING_SECONDS = 3.0
# A single sample may belong to the end of one job or the start of another.
MIN_SAMPLES = 2


class Unlisted:
    """Fed with every reading of one GPU; all moments are seconds since boot."""

    def __init__(self) -> None:
        self._read_at = float("-inf")  # of the newest reading
        self._lists_some = False
        self._counts_from = float("-inf")
        self._forget()
        self._ghost_from: float | None = None  # all readings since then look like a ghost's

    def add(self, reading: GpuReading) -> None:
        """Add a reading; one that was added before counts once."""
        before, at = self._read_at, reading.sampled_since_boot
        if at <= before:
            return
        self._read_at = at
        if reading.processes:
            self._lists_some = True
            self._forget()
        elif lists_no_process(reading):
            if self._lists_some:
                self._lists_some, self._counts_from = False, at + SETTLING_SECONDS
            percent = reading.utilization.gpu_percent
            if percent is not None and at >= self._counts_from:
                self._peak.add(at, percent)
                self._counted.append(at)
        if not looks_like_ghost(reading):
            self._ghost_from = None
        elif self._ghost_from is None or at - before > PEAK_SECONDS:
            self._ghost_from = at

    def peak(self, now: float) -> int | None:
        """The highest utilization of the readings that count, percent; None: too few count.

        A reading counts if it lists no process, is at most PEAK_SECONDS old, and was taken at least
        SETTLING_SECONDS after the last listed process had left.
        """
        enough = len(self._counted) == MIN_SAMPLES and self._counted[0] >= now - PEAK_SECONDS
        return self._peak.highest(now) if enough else None

    @property
    def is_ghost(self) -> bool:
        """Whether the readings have looked like a ghost's for PEAK_SECONDS."""
        return self._ghost_from is not None and self._read_at - self._ghost_from >= PEAK_SECONDS

    def _forget(self) -> None:
        self._peak = Peak()
        self._counted: deque[float] = deque(maxlen=MIN_SAMPLES)  # when; the newest last
