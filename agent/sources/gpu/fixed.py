"""Values that rarely change while a GPU stays in its slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from agent.sources.paced_value import JITTER, Paced, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.sources.gpu.handle import GpuHandle


class Fixed(Paced[Value]):
    """Read every five minutes, and again soon if the driver failed to report a part."""

    def __init__(self, handle: GpuHandle, read: Callable[[], Value]) -> None:
        super().__init__(FIXED_PACE, self._read_and_note_failure)
        self._handle = handle
        self._read_value = read
        self._has_failed = False

    def get(self, now: float) -> Value:
        """The value, at most five minutes old at `now` (seconds of the monotonic clock)."""
        if self._has_failed and now - self._read_at >= SLOW_PACE - JITTER:
            self.forget()
        return super().get(now)

    def _read_and_note_failure(self) -> Value:
        before = self._failures()
        value = self._read_value()
        self._has_failed = self._failures() > before
        return value

    def _failures(self) -> int:
        return sum(self._handle.record.errors.values())
