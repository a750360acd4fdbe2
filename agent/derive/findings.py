"""A finding about the health of a GPU or the host, the verdict it leads to, and what both are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from agent.readings import GpuReading, GpuSample


class HealthVerdict(IntEnum):
    """How well a GPU or the host is; the greater, the worse."""

    HEALTHY = 0
    WARNING = 1  # it works; somebody should have a look
    CRITICAL = 2  # it does not, or not for long

    @property
    def word(self) -> Literal["healthy", "warning", "critical"]:
        """As the wire shows it."""
        return _WORDS[self]


_WORDS: dict[HealthVerdict, Literal["healthy", "warning", "critical"]] = {
    HealthVerdict.HEALTHY: "healthy",
    HealthVerdict.WARNING: "warning",
    HealthVerdict.CRITICAL: "critical",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    name: str  # for machines: remapping_pending
    verdict: HealthVerdict
    what: str  # for people, without a full stop
    todo: str  # for people, without a full stop


@dataclass(frozen=True, slots=True)
class Patient:
    """What the rules judge by."""

    gpu: GpuSample
    reading: GpuReading  # with every live value unknown where none may be shown
    now: float  # seconds since the epoch
    # As many as this card had at once, or another one of its model has that is behind NVSwitches: there all
    # are connected alike, but a bridge, or a board without a switch, gives each card its own number.
    expected_nvlinks: int
    has_ghost_utilization: bool = False  # for a minute: see agent/derive/unlisted.py
