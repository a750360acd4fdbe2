"""When the next sample is due: pure, times in seconds of the monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.sampling.sleep_policy import SLEEP_AFTER

if TYPE_CHECKING:
    from collections.abc import Collection

# After a poll, more are expected: sampling continues for this many intervals.
POLL_LINGER_INTERVALS = 3
RELEASE_AFTER = 60.0  # seconds without demand after which the driver is released, without a history
# A tick this little too late for the end of a poll's linger still belongs to it.
TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to sample, for whom."""

    sample_interval: float
    history_interval: float  # 0: no samples in the background

    def tick_interval(
        self,
        last_tick: float,
        stream_intervals: Collection[float],
        polled_at: float,
        *,
        gpus_may_sleep: bool = False,
    ) -> float | None:
        """Seconds from the tick at `last_tick` to the next; None: sample only on request.

        GPUs that may sleep are released at a tick, so it must come soon.
        """
        intervals = list(stream_intervals)
        if self.lingers(polled_at, last_tick + self.sample_interval):
            intervals.append(self.sample_interval)
        if self.history_interval:
            intervals.append(
                min(self.history_interval, SLEEP_AFTER) if gpus_may_sleep else self.history_interval
            )
        return min(intervals, default=None)

    def lingers(self, polled_at: float, at: float) -> bool:
        """Whether more polls are still expected after the last one."""
        return at <= polled_at + POLL_LINGER_INTERVALS * self.sample_interval + TOLERANCE


def release_after(*, gpus_may_sleep: bool) -> float:
    """Seconds without demand after which the driver is let go, if there is no history to keep."""
    return SLEEP_AFTER if gpus_may_sleep else RELEASE_AFTER


def next_due(due: float, taken: float, interval: float) -> float:
    """When the next event is due, after the one that was due at `due` with a Snapshot of `taken`.

    The grid is kept as long as the reader keeps up; a reader that fell behind starts a new one.
    """
    return due + interval if taken < due + interval else taken + interval


def is_due(due: float, taken: float, tick_interval: float) -> bool:
    """Whether a Snapshot of `taken` is the one nearest to `due` on a grid of `tick_interval`."""
    return taken >= due - tick_interval / 2
