"""Clocks: the one that times are stored by, and the host's local time, which defines days."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

_LOCAL_TIME = Path("/etc/localtime")
_ZONES = "/zoneinfo/"  # the folder that names of zones are below


def seconds_since_boot() -> float:
    """CLOCK_BOOTTIME: continues while the machine is suspended, and cannot be set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def local_day(at: float, zone: dt.tzinfo | None = None) -> str:
    """The date of a moment, seconds since the epoch, in a zone; None: the host's. As in 2026-11-26."""
    return dt.datetime.fromtimestamp(at, zone).date().isoformat()


def local_zone(local_time: Path = _LOCAL_TIME) -> str:
    """The time zone of the host, as in Europe/Berlin; if it has no such name, that of tzset(3)."""
    if given := os.environ.get("TZ", "").lstrip(":"):
        return given
    _, _, name = os.path.realpath(local_time).partition(_ZONES)
    return name or time.tzname[0]
