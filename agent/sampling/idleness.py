"""Since when a GPU has been idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings.gpu.utilization import WORKS_PERCENT

if TYPE_CHECKING:
    from agent.readings import GpuReading


class Idleness:
    """The idleness of one GPU; uses the clock of the Snapshots."""

    def __init__(self) -> None:
        self._since: float | None = None

    def add(self, reading: GpuReading | None, at: float, *, is_continued: bool) -> float | None:
        """Since when it is idle, with this reading; None: it works, or it is unknown.

        `at`: seconds since boot. Unless the observation `is_continued`, the time before is unknown.
        """
        if reading is None or _works(reading) is not False:
            self._since = None
        elif self._since is None or not is_continued:
            self._since = at
        return self._since


def _works(reading: GpuReading) -> bool | None:
    """None: unknown. A GPU that encodes or decodes video may run no kernel."""
    if reading.utilization.gpu_percent is None:
        return None
    engines = reading.engines
    used = (reading.utilization.gpu_percent, engines.encoder_percent, engines.decoder_percent)
    return any(percent is not None and percent >= WORKS_PERCENT for percent in used)
