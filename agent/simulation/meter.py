"""A cumulative counter that never decreases, however its rate changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Meter:
    """The integral of a rate: that of the signal, or a fixed one."""

    def __init__(self, integral: Callable[[float], float], elapsed: Callable[[], float]) -> None:
        self._integral = integral
        self._elapsed = elapsed
        self._base = 0.0  # reading when the rate was last changed
        self._since = float("-inf")  # and when: never yet
        self._rate: float | None = None

    def read(self) -> int:
        """The count now, in whole units."""
        return int(self._read(self._elapsed()))

    def hold_rate(self, rate: float | None) -> None:
        """Count at `rate` units per second from now on; None: follow the signal again."""
        if rate == self._rate:
            return
        now = self._elapsed()
        self._base, self._since, self._rate = self._read(now), now, rate

    def _read(self, elapsed: float) -> float:
        if self._rate is not None:
            return self._base + self._rate * (elapsed - self._since)
        if self._since == float("-inf"):
            return self._integral(elapsed)
        return self._base + self._integral(elapsed) - self._integral(self._since)
