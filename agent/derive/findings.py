"""A finding about the health of a GPU or the host, the verdict it leads to, and what both are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto
from typing import TYPE_CHECKING, Literal

from agent.readings import Lately

if TYPE_CHECKING:
    from agent.readings import GpuReading, GpuSample


class HealthVerdict(IntEnum):
    """How well a GPU or the host is; the greater, the worse."""

    HEALTHY = auto()
    WARNING = auto()  # it works; somebody should have a look
    CRITICAL = auto()  # it does not, or not for long

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
class Kind:
    """A kind of finding, and its row in docs/findings.md, word for word."""

    name: str
    verdicts: tuple[HealthVerdict, ...]  # all that it can lead to; the usual one first
    when: str  # what has to be so
    how_long: str  # for what time, until it is a finding, or for what time it stays one
    source: str  # who tells

    def found(self, what: str, todo: str, *, verdict: HealthVerdict | None = None) -> Finding:
        """Of this kind; the usual verdict, unless another is given."""
        return Finding(self.name, self.verdicts[0] if verdict is None else verdict, what, todo)


def warning(name: str, when: str, how_long: str, source: str) -> Kind:
    """A kind that always leads to this verdict."""
    return Kind(name, (HealthVerdict.WARNING,), when, how_long, source)


def critical(name: str, when: str, how_long: str, source: str) -> Kind:
    """A kind that always leads to this verdict."""
    return Kind(name, (HealthVerdict.CRITICAL,), when, how_long, source)


AT_ONCE = "while it lasts"

# What to do, of findings of several subjects.
RESET_LATER = "reset the GPU when its work is done"
COOL = "look at airflow, fans and heat sink"


@dataclass(frozen=True, slots=True)
class Patient:
    """What the rules judge by."""

    gpu: GpuSample
    reading: GpuReading  # with every live value unknown where none may be shown
    now: float  # seconds since the epoch
    expected_nvlinks: int  # see agent/derive/health/nvlink.py
    expected_nvlink_megabytes: int  # a second, of a link to an NVSwitch; see there
    has_ghost_utilization: bool  # for a minute: see agent/derive/unlisted.py
    lately: Lately | None  # None: nothing is remembered, HISTORY_INTERVAL is 0

    @property
    def known_lately(self) -> Lately:
        """What is remembered; it is nothing where nothing is."""
        return self.lately or Lately()
