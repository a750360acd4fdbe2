"""Whether a GPU is active or idle, and why: five criteria, any of which makes it active."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from agent.derive.rounding import percent, tenths

if TYPE_CHECKING:
    from agent.readings import GpuReading


class Activity(StrEnum):
    """Whether a GPU is active."""

    ACTIVE = "active"
    IDLE = "idle"
    UNAVAILABLE = "unavailable"  # the GPU could not be read


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The thresholds at which a GPU counts as active. The defaults suit desktop cards."""

    gpu_percent: float = 5.0  # at and above
    power_watts: float = 10.0  # above; data-centre GPUs idle far above this
    memory_percent: float = 5.0  # at and above
    clock_percent: float = 30.0  # above, of the maximum graphics clock
    temperature_celsius: float = 40.0  # above


@dataclass(frozen=True, slots=True)
class Criterion:
    """One comparison: whether it holds (None: unknown), and the comparison in words."""

    holds: bool | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class ActivityJudgement:
    """The activity and the five criteria that it was judged by."""

    activity: Activity
    gpu_utilization: Criterion = Criterion()
    power: Criterion = Criterion()
    memory_utilization: Criterion = Criterion()
    clock: Criterion = Criterion()
    temperature: Criterion = Criterion()


def judge_activity(reading: GpuReading | None, thresholds: Thresholds) -> ActivityJudgement:
    """Judge one reading; `unavailable` if all five criteria are unknown."""
    if reading is None:
        return ActivityJudgement(Activity.UNAVAILABLE)
    max_clock = reading.clocks.max_graphics_mhz
    # Clocks are whole MHz: above 931.5 is above 931, and the text shows it without a decimal.
    # A maximum of 0 is none: any clock would be above its share.
    clock_limit = math.floor(max_clock * thresholds.clock_percent / 100) if max_clock else None
    criteria = (
        _at_least(reading.utilization.gpu_percent, thresholds.gpu_percent, "%"),
        _above(reading.power.usage_watts, thresholds.power_watts, "W"),
        _at_least(
            percent(reading.memory.used_bytes, reading.memory.total_bytes),
            thresholds.memory_percent,
            "%",
        ),
        _above(reading.clocks.graphics_mhz, clock_limit, "MHz"),
        _above(reading.thermal.gpu_celsius, thresholds.temperature_celsius, "°C"),
    )
    known = [criterion.holds for criterion in criteria if criterion.holds is not None]
    if not known:
        return ActivityJudgement(Activity.UNAVAILABLE, *criteria)
    return ActivityJudgement(Activity.ACTIVE if any(known) else Activity.IDLE, *criteria)


def _at_least(value: float | None, limit: float, unit: str) -> Criterion:
    if value is None:
        return Criterion()
    holds = value >= limit
    return Criterion(holds, f"{_text(value, unit)} {'>=' if holds else '<'} {_text(limit, unit)}")


def _above(value: float | None, limit: float | None, unit: str) -> Criterion:
    if value is None or limit is None:
        return Criterion()
    holds = value > limit
    return Criterion(holds, f"{_text(value, unit)} {'>' if holds else '<='} {_text(limit, unit)}")


def _text(value: float, unit: str) -> str:
    """The value with the same rounding as in the answer: one decimal, clocks without."""
    return f"{value}{unit}" if unit == "MHz" else f"{tenths(value):.1f}{unit}"
