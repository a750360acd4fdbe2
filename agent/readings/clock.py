"""The clock that moments are kept by, until an answer tells them in the time of day."""

from __future__ import annotations

import time


def seconds_since_boot() -> float:
    """CLOCK_BOOTTIME: goes on while the machine is suspended, and nobody can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
