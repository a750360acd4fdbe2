"""The highest value of the last minute."""

from __future__ import annotations

from collections import deque

# Long enough to see past a checkpoint or a pause between batches, short enough to forget a job that ended.
PEAK_SECONDS = 60.0


class Peak:
    """The peak of a percentage.

    Keeps only values that can still become the highest: at most 101, each below the last.
    """

    def __init__(self) -> None:
        self._values: deque[tuple[float, int]] = deque()

    def add(self, at: float, percent: int | None) -> None:
        """Add this value, sampled at `at`, in seconds since boot; None: not reported.

        The same sample may be added several times.
        """
        values = self._values
        if percent is not None:
            while values and values[-1][1] <= percent:
                values.pop()
            values.append((at, percent))

    def highest(self, now: float) -> int | None:
        """The highest value that is at most PEAK_SECONDS old; None: there is none."""
        values = self._values
        while values and values[0][0] < now - PEAK_SECONDS:
            values.popleft()
        return values[0][1] if values else None

    def __len__(self) -> int:
        return len(self._values)
