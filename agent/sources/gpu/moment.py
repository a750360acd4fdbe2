"""The time of a sample, and which values are due: fewer without demand."""

from __future__ import annotations

from typing import NamedTuple

from agent.sources.gpu.paces import UNWATCHED_PACE
from agent.sources.paced_value import JITTER


class Moment(NamedTuple):
    """Times of one sample, in seconds of the monotonic clock; equal while there is demand.

    Without demand two of them stand still, so that values at their pace are not read.
    """

    now: float  # for history, idle times, and processes on the GPU
    verdicts: float  # for further values that findings over time need: advances once a minute
    details: float  # for values that only clients need: stands still


class Moments:
    """The moments of one GPU, in turn. The first is as with demand, so that all values are known."""

    def __init__(self) -> None:
        self._last: Moment | None = None

    def at(self, now: float, *, watched: bool) -> Moment:
        """The moment of the sample that begins now."""
        if watched or self._last is None:
            self._last = Moment(now, now, now)
        else:
            _, verdicts, details = self._last
            is_due = now - verdicts >= UNWATCHED_PACE - JITTER
            self._last = Moment(now, now if is_due else verdicts, details)
        return self._last
