"""Samples of GPM, which the caller allocates and keeps."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.gpu_values import GpuValues

_FIRST_SAMPLE = 0x6000_0000  # the pointers handed out are numbers, far from those of device handles


@dataclass(frozen=True, slots=True)
class GpmSample:
    """The values that nvmlGpmSampleGet stored in a sample."""

    gpu: SimulatedGpu
    elapsed: float
    values: GpuValues


@dataclass
class GpmSamples:
    """The allocated samples; None for one that was never filled."""

    by_pointer: dict[int, GpmSample | None] = field(default_factory=dict)
    pointers: itertools.count[int] = field(default_factory=lambda: itertools.count(_FIRST_SAMPLE, 16))
