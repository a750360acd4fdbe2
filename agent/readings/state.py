"""The condition of the file in STATE_DIR."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class StateFault(StrEnum):
    """Why the file cannot be written now."""

    FULL = "full"  # no space, or no quota, is left
    SLOW = "slow"  # a write has been out for too long
    READ_ONLY = "read_only"  # the file system, or this user, may not write
    GONE = "gone"  # the folder is not there, or its disk does not answer
    REFUSED = "refused"  # it is on a network file system, or another agent's
    FAILED = "failed"  # anything else


class StateTrouble(NamedTuple):
    """What is wrong, as text for people."""

    fault: StateFault
    sentence: str


@dataclass(frozen=True, slots=True)
class StateReading:
    """The condition of the file in STATE_DIR."""

    trouble: StateTrouble | None = None  # None: everything is written, or will be within a minute
    # When everything was last written, seconds since the epoch; None: not yet. Writing only an XID does not
    # count.
    written_at: float | None = None
    file_bytes: int | None = None  # as of the last write
    failures: int = 0  # writes that failed, since the agent started
    lost_batches: int = 0  # batches of a minute that were dropped before they could be written
