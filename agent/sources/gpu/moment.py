"""When a sample is taken, and what of it is due: nobody may be looking."""

from __future__ import annotations

from typing import NamedTuple

from agent.sources.gpu.paces import UNWATCHED_PACE
from agent.sources.paced import JITTER


class Moment(NamedTuple):
    """Times of one sample, in seconds of the monotonic clock; all the same while somebody looks.

    While nobody does, two of them stand still, so that what is read at their pace is not read.
    """

    now: float  # for history, for who idles since when, and for who holds the GPU
    verdicts: float  # for what beyond that a verdict over some time needs: goes on once a minute
    details: float  # for what only viewers want: stands


class Moments:
    """The moments of one GPU, in turn. The first is as if somebody looked, so that everything is known."""

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
