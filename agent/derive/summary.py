"""Sums and means over the GPUs that could be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.derive.rounding import percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.readings import GpuReading


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums and means; a value that no GPU reports is unknown."""

    total_memory_bytes: int | None
    total_used_memory_bytes: int | None
    memory_utilization_percent: float | None
    average_gpu_utilization_percent: float | None
    average_temperature_celsius: float | None
    total_power_watts: float | None


def summarize(readings: Sequence[GpuReading]) -> Summary:
    """Memory counts only GPUs that report both total and used memory, so that the percentage is right."""
    memories = [
        (reading.memory.total_bytes, reading.memory.used_bytes)
        for reading in readings
        if reading.memory.total_bytes is not None and reading.memory.used_bytes is not None
    ]
    total = sum(memory[0] for memory in memories) if memories else None
    used = sum(memory[1] for memory in memories) if memories else None
    power = _known(reading.power.usage_watts for reading in readings)
    return Summary(
        total_memory_bytes=total,
        total_used_memory_bytes=used,
        memory_utilization_percent=percent(used, total),
        average_gpu_utilization_percent=_mean(reading.utilization.gpu_percent for reading in readings),
        average_temperature_celsius=_mean(reading.thermal.gpu_celsius for reading in readings),
        total_power_watts=sum(power) if power else None,
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None  # exact for integers, where fmean is slow
