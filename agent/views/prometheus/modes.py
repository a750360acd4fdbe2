"""The modes that each GPU is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import ComputeMode

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues, ValuesByLabel


GAUGES: ReadingValues = (
    ("performance_state", "P-state: 0 the fastest, 15 the slowest.", lambda r: r.modes.performance_state),
    ("persistence_mode", "1: the driver stays loaded.", lambda r: r.modes.persistence_mode),
)
BY_LABEL: ValuesByLabel = (
    (
        "compute_mode",
        "mode",
        "1: in force.",
        lambda r: {
            mode.name.lower(): None if r.modes.compute_mode is None else r.modes.compute_mode == mode
            for mode in ComputeMode
        },
    ),
)
