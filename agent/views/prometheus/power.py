"""What power each GPU draws, and what limits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


def _first_known(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


GAUGES: ReadingValues = (
    ("power_watts", "Power draw of the GPU, in watts.", lambda r: r.power.usage_watts),
    ("power_limit_watts", "Power management limit, in watts.", lambda r: r.power.limit_watts),
    (
        "power_enforced_limit_watts",
        "The lowest of all power limits in force, in watts.",
        lambda r: r.power.enforced_limit_watts,
    ),
    (
        "power_default_limit_watts",
        "Default power management limit, in watts.",
        lambda r: r.power.default_limit_watts,
    ),
    (
        "power_min_limit_watts",
        "Lowest power management limit that can be set, in watts.",
        lambda r: r.power.min_limit_watts,
    ),
    (
        "power_max_limit_watts",
        "Highest power management limit that can be set, in watts.",
        lambda r: r.power.max_limit_watts,
    ),
    (
        "memory_power_watts",
        "Power draw of the GPU memory, a part of the GPU's, in watts.",
        lambda r: _first_known(r.power.memory_average_watts, r.power.memory_instant_watts),
    ),
    (
        "module_power_watts",
        "Power draw of the module that holds the GPU and a CPU, in watts.",
        lambda r: _first_known(r.power.module_average_watts, r.power.module_instant_watts),
    ),
    (
        "module_power_limit_watts",
        "Power limit in force of the module that holds the GPU and a CPU, in watts.",
        lambda r: r.power.module_limit_watts,
    ),
)
COUNTERS: ReadingValues = (
    ("energy_joules", "Energy used since the driver was loaded, in joules.", lambda r: r.power.energy_joules),
)
