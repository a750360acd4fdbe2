"""A finding about the health of a GPU or the host, its verdict, and the values that rules judge by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto
from typing import TYPE_CHECKING, Literal

from agent.readings import Lately

if TYPE_CHECKING:
    from agent.readings import GpuReading, GpuSample


class HealthVerdict(IntEnum):
    """The health of a GPU or the host; greater is worse."""

    HEALTHY = auto()
    WARNING = auto()  # it works; somebody should have a look
    CRITICAL = auto()  # it does not work, or not for long

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
    """One thing that is wrong."""

    name: str  # for machines: remapping_pending
    verdict: HealthVerdict
    what: str  # for people, without a full stop
    todo: str  # for people, without a full stop


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding, and its row in docs/findings.md, word for word."""

    name: str
    verdicts: tuple[HealthVerdict, ...]  # possible verdicts; the usual one first
    when: str  # the condition
    how_long: str  # how long the condition must last, or how long the finding stays
    source: str  # the source of the values

    def found(self, what: str, todo: str, *, verdict: HealthVerdict | None = None) -> Finding:
        """A finding of this kind, with the usual verdict unless another is given."""
        return Finding(self.name, self.verdicts[0] if verdict is None else verdict, what, todo)


def warning(name: str, when: str, how_long: str, source: str) -> Kind:
    """A kind that always leads to this verdict."""
    return Kind(name, (HealthVerdict.WARNING,), when, how_long, source)


def critical(name: str, when: str, how_long: str, source: str) -> Kind:
    """A kind that always leads to this verdict."""
    return Kind(name, (HealthVerdict.CRITICAL,), when, how_long, source)


AT_ONCE = "while it lasts"

# What to do, for findings of several subjects.
RESET_LATER = "reset the GPU when its work is done"
COOL = "look at airflow, fans and heat sink"


@dataclass(frozen=True, slots=True)
class Patient:
    """The values of one GPU that the rules judge."""

    gpu: GpuSample
    reading: GpuReading  # with every live value unknown if none is current
    now: float  # seconds since the epoch
    expected_nvlinks: int  # see agent/derive/health/nvlink.py
    expected_nvlink_megabytes: int  # MB/s of a link to an NVSwitch; see there
    has_ghost_utilization: bool  # for a minute: see agent/derive/unlisted.py
    lately: Lately | None  # None: nothing is remembered, HISTORY_INTERVAL is 0

    @property
    def known_lately(self) -> Lately:
        """What is remembered; without a memory, a `Lately` without values."""
        return self.lately or Lately()
