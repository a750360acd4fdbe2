"""Field values that several subjects tell: read in one call, of which each subject takes its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.nvml import field_values
from agent.sources.paced import Paced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SlowFields:
    """Whole numbers by field id; None for each that is not told. NVML: nvmlDeviceGetFieldValues."""

    def __init__(self, handle: Any, fields: Sequence[int]) -> None:
        self._paced: Paced[Mapping[int, int | None]] = Paced(
            SLOW_PACE, lambda: dict(zip(fields, field_values(handle, fields), strict=True))
        )

    def get(self, now: float) -> Mapping[int, int | None]:
        """By field id; `now` in seconds of the monotonic clock."""
        return self._paced.get(now)
