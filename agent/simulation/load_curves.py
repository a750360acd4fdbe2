"""How the load of a GPU changes, and what follows from it: pure functions, without random numbers or state.

One signal, the load of the GPU (0 to 1), drives everything. The signal and its integral have closed forms, so
counters are exact integrals of the rates, and any moment can be computed by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.simulation.models import GpuModel

POWER_CAP_SHARE = 0.96  # of the limit: above it the clocks are held back
PCIE_TX_SHARE = 0.11  # of what the link can carry, at full load: checkpoints and logs leave the GPU
PCIE_RX_SHARE = 0.27  # training data enters it
PCIE_KIB_PER_LANE = {1: 244_000, 2: 488_000, 3: 961_000, 4: 1_923_000, 5: 3_845_000}  # KiB/s, by generation
NVLINK_KIB = 6_000_000  # KiB/s of one link in one direction, at full load: gradients are exchanged
TEMPERATURE_LAG_SECONDS = 25.0  # time constant of the heat sink
LAG_STEP_SECONDS = 5.0
LAG_STEPS = 16


@dataclass(frozen=True, slots=True)
class Workload:
    """A periodic load: `high` with ripples (steps) for most of each epoch, then `low` (checkpoint).

    If `low` is 0, an epoch is a job, and the GPU is free until the next one.
    """

    epoch_seconds: float
    dip_seconds: float
    high: float
    low: float
    ripple: float  # amplitude around `high`
    ripples: int  # whole ones per epoch, so that they cancel in the integral
    offset_seconds: float
    held: float = 0.0  # part of the memory that is in use though nothing works

    def load(self, t: float) -> float:
        """Between 0 and 1, at `t` seconds."""
        busy, phase = self._phase(t)
        if phase >= busy:
            return self.low
        return self.high + self.ripple * math.sin(2 * math.pi * self.ripples * phase / busy)

    def integral(self, t: float) -> float:
        """The load times seconds, from the start of an epoch before `t` = 0; grows with `t`."""
        busy, phase = self._phase(t)
        epochs = math.floor((t + self.offset_seconds) / self.epoch_seconds)
        whole = epochs * (busy * self.high + self.dip_seconds * self.low)
        if phase >= busy:
            return whole + busy * self.high + (phase - busy) * self.low
        turns = 2 * math.pi * self.ripples / busy
        return whole + phase * self.high + self.ripple * (1 - math.cos(turns * phase)) / turns

    def seconds_above(self, load: float, t: float) -> float:
        """Seconds with a higher load, from the start of an epoch before `t` = 0; grows with `t`."""
        busy, phase = self._phase(t)
        epochs = math.floor((t + self.offset_seconds) / self.epoch_seconds)
        return epochs * self._busy_above(load, busy) + self._busy_above(load, min(phase, busy))

    def _busy_above(self, load: float, seconds: float) -> float:
        """In that much of the busy part of an epoch; the checkpoint is no load."""
        turn = (self.epoch_seconds - self.dip_seconds) / self.ripples
        height = 2.0 if not self.ripple else (load - self.high) / self.ripple
        if abs(height) >= 1:
            return seconds if self.high > load else 0.0
        rises = math.asin(height) / (2 * math.pi) * turn  # within a turn; less than 0: it begins above
        above = turn / 2 - 2 * rises
        turns, rest = divmod(seconds - rises, turn)
        return turns * above + min(rest, above) + min(0.0, rises)

    def job(self, t: float) -> tuple[int, float] | None:
        """The number of the epoch, and when it began; None between two."""
        busy, phase = self._phase(t)
        number = math.floor((t + self.offset_seconds) / self.epoch_seconds)
        return None if phase >= busy else (number, number * self.epoch_seconds - self.offset_seconds)

    def _phase(self, t: float) -> tuple[float, float]:
        return self.epoch_seconds - self.dip_seconds, (t + self.offset_seconds) % self.epoch_seconds


def workload(index: int) -> Workload:
    """Of four GPUs, two train, one serves (moderate load) and one is idle.

    Of eight, the second that serves has one job after the other, and the second that is idle is held.
    """
    offset = 17.0 * index
    if index % 8 == 6:
        return Workload(420.0, 20.0, high=0.45, low=0.0, ripple=0.2, ripples=10, offset_seconds=offset)
    if index % 8 == 7:
        return Workload(
            600.0, 0.0, high=0.0, low=0.0, ripple=0.0, ripples=1, offset_seconds=offset, held=0.23
        )
    if index % 4 == 3:
        return Workload(600.0, 0.0, high=0.0, low=0.0, ripple=0.0, ripples=1, offset_seconds=offset)
    if index % 4 == 2:
        return Workload(240.0, 20.0, high=0.45, low=0.15, ripple=0.2, ripples=6, offset_seconds=offset)
    # The four that train do so together: they wait for each other, and write checkpoints at the same time.
    first, rank = index // 8 * 8, index % 4 + index % 8 // 4 * 2
    return Workload(
        90.0 + 7 * (first % 5),
        6.0,
        high=0.94 - 0.01 * rank,
        low=0.08,
        ripple=0.05,
        ripples=24,
        offset_seconds=17.0 * first,
    )


def job_at(index: int, elapsed: float) -> tuple[int, float] | None:
    """The number of the job that GPU `index` has, and when that began; None between two jobs."""
    return workload(index).job(elapsed)


def power_mw(model: GpuModel, load: float) -> float:
    """Linear in the load, so that energy follows from the load's integral."""
    return 1000 * (model.idle_power_watts + load * (model.full_power_watts - model.idle_power_watts))


def energy_mj(model: GpuModel, index: int, elapsed: float) -> float:
    """The integral of `power_mw` from a moment before the start."""
    span = model.full_power_watts - model.idle_power_watts
    return 1000 * (model.idle_power_watts * elapsed + span * workload(index).integral(elapsed))


def slowed_ns(model: GpuModel, index: int, elapsed: float) -> tuple[int, int]:
    """The time for which the power limit reduced the clocks, or heat, which here follows the load at once."""
    capped = hot = float("inf")  # the load from which it does
    if model.power_limit_watts is not None and model.full_power_watts > model.idle_power_watts:
        above_idle = POWER_CAP_SHARE * model.power_limit_watts - model.idle_power_watts
        capped = above_idle / (model.full_power_watts - model.idle_power_watts)
    if model.full_celsius > model.idle_celsius:
        hot = (model.slowdown_celsius - model.idle_celsius) / (model.full_celsius - model.idle_celsius)
    work = workload(index)
    by_power, by_heat = (round(1e9 * work.seconds_above(load, elapsed)) for load in (capped, hot))
    return by_power, by_heat


def pcie_capacity_kib(model: GpuModel) -> int | None:
    """The bandwidth of the link per direction, KiB/s; None if the model has no PCIe values."""
    if model.pcie_generations is None or model.pcie_width is None:
        return None
    return PCIE_KIB_PER_LANE[model.pcie_generations[1]] * model.pcie_width


def pcie_bytes(model: GpuModel, index: int, elapsed: float, share: float) -> float:
    """The integral of a PCIe rate from a moment before the start; `share` as in PCIE_TX_SHARE."""
    return 1024 * share * (pcie_capacity_kib(model) or 0) * workload(index).integral(elapsed)


def nvlink_kib(index: int, elapsed: float) -> float:
    """The integral of the throughput of one NVLink in one direction, from a moment before the start."""
    return NVLINK_KIB * workload(index).integral(elapsed)


def lagged_load(work: Workload, elapsed: float) -> float:
    """The load with the lag of the heat sink: recent means, weighted by their remaining effect."""
    total = weights = 0.0
    newer = work.integral(elapsed)
    for step in range(1, LAG_STEPS + 1):
        older = work.integral(elapsed - step * LAG_STEP_SECONDS)
        weight = math.exp(-step * LAG_STEP_SECONDS / TEMPERATURE_LAG_SECONDS)
        total += weight * (newer - older) / LAG_STEP_SECONDS
        weights += weight
        newer = older
    return total / weights
