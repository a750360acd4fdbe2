"""The clocks: the one that moments are kept by, and the host's own, by which a day begins and ends."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

_LOCAL_TIME = Path("/etc/localtime")
_ZONES = "/zoneinfo/"  # the folder that names of zones are below


def seconds_since_boot() -> float:
    """CLOCK_BOOTTIME: goes on while the machine is suspended, and nobody can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def local_day(at: float, zone: dt.tzinfo | None = None) -> str:
    """The date of a moment, seconds since the epoch, in a zone; None: the host's. As in 2026-11-26."""
    return dt.datetime.fromtimestamp(at, zone).date().isoformat()


def local_zone(local_time: Path = _LOCAL_TIME) -> str:
    """The zone of the host's dates, as in Europe/Berlin; where it has no such name, as tzset(3) calls it."""
    if given := os.environ.get("TZ", "").lstrip(":"):
        return given
    _, _, name = os.path.realpath(local_time).partition(_ZONES)
    return name or time.tzname[0]
