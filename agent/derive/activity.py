"""Whether a GPU is active or idle, and why: five criteria, any of which makes it active."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from agent.derive.rounding import percent

if TYPE_CHECKING:
    from agent.readings import GpuReading


class Activity(StrEnum):
    """What a GPU does."""

    ACTIVE = "active"
    IDLE = "idle"
    UNAVAILABLE = "unavailable"  # the GPU could not be read


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which values on a GPU counts as active. The defaults suit desktop cards."""

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
class Verdict:
    """The activity and the five criteria that it was judged by."""

    activity: Activity
    gpu_utilization: Criterion = Criterion()
    power: Criterion = Criterion()
    memory_utilization: Criterion = Criterion()
    clock: Criterion = Criterion()
    temperature: Criterion = Criterion()


def judge(reading: GpuReading | None, thresholds: Thresholds) -> Verdict:
    """Judge one reading; `unavailable` where nothing is known that could tell."""
    if reading is None:
        return Verdict(Activity.UNAVAILABLE)
    max_clock = reading.identity.max_graphics_clock_mhz
    clock_limit = None if max_clock is None else max_clock * thresholds.clock_percent / 100
    criteria = (
        _at_least(reading.gpu_utilization_percent, thresholds.gpu_percent, "{:.1f}%"),
        _above(reading.power_watts, thresholds.power_watts, "{:.1f}W"),
        _at_least(
            percent(reading.memory_used_bytes, reading.identity.memory_total_bytes),
            thresholds.memory_percent,
            "{:.1f}%",
        ),
        _above(reading.graphics_clock_mhz, clock_limit, "{:.0f}MHz"),
        _above(reading.temperature_celsius, thresholds.temperature_celsius, "{:.1f}°C"),
    )
    known = [criterion.holds for criterion in criteria if criterion.holds is not None]
    if not known:
        return Verdict(Activity.UNAVAILABLE, *criteria)
    return Verdict(Activity.ACTIVE if any(known) else Activity.IDLE, *criteria)


def _at_least(value: float | None, limit: float, unit: str) -> Criterion:
    if value is None:
        return Criterion()
    holds = value >= limit
    return Criterion(holds, f"{unit.format(value)} {'>=' if holds else '<'} {unit.format(limit)}")


def _above(value: float | None, limit: float | None, unit: str) -> Criterion:
    if value is None or limit is None:
        return Criterion()
    holds = value > limit
    return Criterion(holds, f"{unit.format(value)} {'>' if holds else '<='} {unit.format(limit)}")
