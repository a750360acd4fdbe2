"""Expensive values, read less often than the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from agent.sources.attempt import attempt

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

HOST_SLOW_PACE = 10.0  # seconds; for values of the host that are expensive to read and change slowly
JITTER = 0.1  # seconds; samples are on a grid, and one that is some milliseconds early must count


class Paced(Generic[Value]):
    """Reads again only when the last value is `pace` seconds old."""

    def __init__(self, pace: float, read: Callable[[], Value]) -> None:
        self._read = read
        self._pace = pace - JITTER
        self._value: Value
        self._read_at = float("-inf")

    def get(self, now: float) -> Value:
        """The value, at most `pace` old at `now` (seconds of the monotonic clock)."""
        if now - self._read_at >= self._pace:
            self._value = self._read()
            self._read_at = now
        return self._value

    def forget(self) -> None:
        """The value is no longer valid: read it again at the next `get`."""
        self._read_at = float("-inf")


def paced_slowly(read: Callable[[], Value], otherwise: Value) -> Paced[Value]:
    """Read about every ten seconds, however often it is called; `otherwise` if it cannot be read."""
    return Paced(HOST_SLOW_PACE, lambda: attempt(read, otherwise))
