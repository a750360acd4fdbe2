"""The modes that each GPU is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import ComputeMode

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues, ValuesByLabel


GAUGES: ReadingValues = (
    (
        "performance_state",
        "Performance state, from 0 (fastest) to 15 (slowest).",
        lambda r: r.modes.performance_state,
    ),
    (
        "persistence_mode",
        "1 if persistence mode keeps the driver loaded, else 0.",
        lambda r: r.modes.persistence_mode,
    ),
)
BY_LABEL: ValuesByLabel = (
    (
        "compute_mode",
        "mode",
        "1 for the compute mode in force, else 0.",
        lambda r: {
            mode.name.lower(): None if r.modes.compute_mode is None else r.modes.compute_mode == mode
            for mode in ComputeMode
        },
    ),
)
