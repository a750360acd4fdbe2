"""The pieces of an exposition: families that leave out what is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.exposition import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agent.readings import GpuReading, GpuSample

    # Name, documentation, value of a reading; None leaves the series out.
    ReadingValues = tuple[tuple[str, str, Callable[[GpuReading], float | None]], ...]
    # Name, label, documentation, value of a reading by the label's value.
    ValuesByLabel = tuple[tuple[str, str, str, Callable[[GpuReading], dict[str, float | None]]], ...]

PREFIX = "nvidia_gpu_"
GPU_LABELS = ("uuid", "gpu")
UNKNOWN_UUID = "unknown"  # UUID of a GPU that could never be read; its index distinguishes it
KIB, MHZ = 1024, 1_000_000

Sample = tuple["Sequence[str]", float | None]  # label values, value; None: unknown, and so absent


def gauge(name: str, documentation: str, labels: Iterable[str], samples: Iterable[Sample]) -> Family:
    """A family of gauges."""
    return _filled(Family(PREFIX + name, "gauge", documentation, tuple(labels)), samples)


def counter(name: str, documentation: str, labels: Iterable[str], samples: Iterable[Sample]) -> Family:
    """A family of counters; `name` without `_total`."""
    return _filled(Family(PREFIX + name, "counter", documentation, tuple(labels)), samples)


def label_values(gpu: GpuSample, *more: str) -> tuple[str, ...]:
    """The values of GPU_LABELS, followed by further label values."""
    return (gpu.identity.uuid or UNKNOWN_UUID, str(gpu.index), *more)


def ratio(percent: float | None) -> float | None:
    """0 to 1."""
    return None if percent is None else percent / 100


def scaled(value: float | None, factor: float) -> float | None:
    """In a base unit."""
    return None if value is None else value * factor


def _filled(family: Family, samples: Iterable[Sample]) -> Family:
    family.samples.extend((labels, value) for labels, value in samples if value is not None)
    return family
