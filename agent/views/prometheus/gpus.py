"""The families of all GPUs, combined from the subjects. A GPU that cannot be read has no live values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus import (
    clocks,
    engines,
    fabric,
    fans,
    gpm,
    identity,
    inforom,
    memory,
    memory_errors,
    mig,
    modes,
    nvlink,
    pcie,
    power,
    recovery,
    thermal,
    throttling,
    utilization,
)
from agent.views.prometheus.families import GPU_LABELS, counter, gauge, label_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import DriverReading, Snapshot
    from agent.views.prometheus.exposition import Family
    from agent.views.prometheus.families import ReadingValues, ValuesByLabel

GAUGES: ReadingValues = (
    *utilization.GAUGES,
    *gpm.GAUGES,
    *engines.GAUGES,
    *memory.GAUGES,
    *thermal.GAUGES,
    *power.GAUGES,
    *modes.GAUGES,
    *pcie.GAUGES,
    *fans.GAUGES,
    *mig.GAUGES,
    *nvlink.GAUGES,
    *memory_errors.GAUGES,
    *recovery.GAUGES,
    *inforom.GAUGES,
    *fabric.GAUGES,
)
COUNTERS: ReadingValues = (*power.COUNTERS, *pcie.COUNTERS)
BY_LABEL: ValuesByLabel = (
    *thermal.BY_LABEL,
    *clocks.BY_LABEL,
    *modes.BY_LABEL,
    *memory_errors.BY_LABEL,
    *nvlink.BY_LABEL,
    *fabric.BY_LABEL,
)


def gpu_families(snapshot: Snapshot, driver: DriverReading, *, nvlinks: bool) -> Iterator[Family]:
    """Every family about GPUs; `nvlinks`: also those about NVLinks."""
    yield identity.info_family(snapshot, driver)
    readings = [(gpu, gpu.reading) for gpu in snapshot.gpus if gpu.reading is not None]
    labelled = [(label_values(gpu), reading) for gpu, reading in readings]
    left_out = () if nvlinks else tuple(row[0] for row in (*nvlink.GAUGES, *nvlink.BY_LABEL))
    for name, documentation, value in GAUGES:
        if name in left_out:
            continue
        yield gauge(
            name,
            documentation,
            GPU_LABELS,
            ((labels, value(reading)) for labels, reading in labelled),
        )
    for name, documentation, value in COUNTERS:
        yield counter(
            name,
            documentation,
            GPU_LABELS,
            ((labels, value(reading)) for labels, reading in labelled),
        )
    for name, label, documentation, values in BY_LABEL:
        if name in left_out:
            continue
        yield gauge(
            name,
            documentation,
            (*GPU_LABELS, label),
            (((*labels, key), one) for labels, reading in labelled for key, one in values(reading).items()),
        )
    yield throttling.throttled_seconds(readings)
    yield memory_errors.ecc_errors(readings)
    yield memory_errors.ecc_errors_by_place(readings)
    if nvlinks:
        yield nvlink.nvlink_errors(readings)
    yield from mig.mig_families(readings)
