"""Decides when GPUs that may sleep, such as those of laptops, are let sleep: pure, times in monotonic
seconds."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.readings import RuntimePower

LET_GO_AFTER = 30.0  # that nobody has looked
LOOK_PACE = 300.0  # between two samples of GPUs that are awake for others, while nobody looks


class Round(Enum):
    """What a round of sampling does."""

    SAMPLE = auto()
    LET_GO = auto()  # of NVML, whose open handle alone keeps a GPU awake
    REST = auto()  # nothing is asked


class Bedtime:
    """Decides it for each round in turn."""

    def __init__(self) -> None:
        self._watched_at = self._sampled_at = float("-inf")

    def decide(
        self, power: RuntimePower | None, now: float, *, watched: bool, is_held: bool, is_idle: bool
    ) -> Round:
        """`power` is None where not every GPU may sleep.

        `watched`: somebody looks; `is_held`: NVML is; `is_idle`: no GPU has a process, and each is at 0 %.
        """
        if watched:
            self._watched_at = now
        if power is not None and power.are_suspended:  # nobody wakes them, not even a viewer
            return Round.LET_GO if is_held else Round.REST
        if power is None or watched:
            due = True
        elif is_held:
            due = not is_idle or now - self._watched_at < LET_GO_AFTER
        else:
            due = now - self._sampled_at >= LOOK_PACE
        if due:
            self._sampled_at = now
            return Round.SAMPLE
        return Round.LET_GO if is_held else Round.REST
