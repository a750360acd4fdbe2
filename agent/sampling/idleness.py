"""Since when a GPU has been idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import GpuState
from agent.readings.gpu.utilization import WORKS_PERCENT

if TYPE_CHECKING:
    from agent.readings import GpuReading, GpuSample


class Idleness:
    """The idleness of one GPU. More than `max_gap` seconds without an observation are an unknown time.

    A GPU that is asleep is idle, because it can run nothing. One that is awake is known only by its reading:
    if it was let go and is not read, another program may be using it.
    """

    def __init__(self, max_gap: float) -> None:
        self._max_gap = max_gap
        self._since: float | None = None  # seconds since boot
        self._observed_at = float("-inf")  # seconds of the monotonic clock

    def add(self, sample: GpuSample, *, at: float, now: float) -> float | None:
        """Since when it is idle, with this sample, in seconds since boot; None: it works, or it is unknown.

        `at` is the present in seconds since boot, `now` in seconds of the monotonic clock.
        """
        is_continued = now - self._observed_at <= self._max_gap
        if sample.state is GpuState.STARTING and is_continued:
            return None  # it is not read: the next observation shows whether it is still idle
        self._observed_at = now
        if not _is_idle(sample):
            self._since = None
        elif self._since is None or not is_continued:
            self._since = at
        return self._since

    def forget(self) -> None:
        """The GPU is not in the Snapshot."""
        self._since = None


def _is_idle(sample: GpuSample) -> bool:
    """Whether it is known to be."""
    if sample.state is GpuState.ASLEEP:
        return True
    return sample.reading is not None and _works(sample.reading) is False


def _works(reading: GpuReading) -> bool | None:
    """None: unknown. A GPU that encodes or decodes video may run no kernel."""
    if reading.utilization.gpu_percent is None:
        return None
    engines = reading.engines
    used = (reading.utilization.gpu_percent, engines.encoder_percent, engines.decoder_percent)
    return any(percent is not None and percent >= WORKS_PERCENT for percent in used)
