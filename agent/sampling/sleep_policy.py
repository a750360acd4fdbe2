"""Decides when GPUs with runtime power management may sleep: pure, times in monotonic seconds."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.readings import RuntimePower

SLEEP_AFTER = 30.0  # seconds without demand
CHECK_PACE = 300.0  # seconds between two samples of GPUs that another program keeps awake, without demand


class Round(Enum):
    """The action of a sampling round."""

    SAMPLE = auto()
    CHECK = auto()  # a sample, after which NVML is released at once if the GPUs are idle
    RELEASE = auto()  # NVML is released, because its open handle alone keeps a GPU awake
    REST = auto()  # nothing is read


class SleepPolicy:
    """Decides for each round in turn."""

    def __init__(self) -> None:
        self._watched_at = self._sampled_at = float("-inf")

    def decide(
        self, power: RuntimePower | None, now: float, *, watched: bool, is_held: bool, is_idle: bool
    ) -> Round:
        """`power` is None where not every GPU may sleep.

        `watched`: there is demand; `is_held`: NVML is initialised; `is_idle`: no compute process, and each
        GPU is at 0 %.
        """
        if watched:
            self._watched_at = now
        if power is not None and power.are_suspended:  # they are not woken, not even for a client
            return Round.RELEASE if is_held else Round.REST
        if power is None or watched:
            due = True
        elif is_held:
            due = not is_idle or now - self._watched_at < SLEEP_AFTER
        else:
            due = now - self._sampled_at >= CHECK_PACE
        if due:
            self._sampled_at = now
            return Round.SAMPLE if power is None or watched or is_held else Round.CHECK
        return Round.RELEASE if is_held else Round.REST
