"""What power each GPU draws, and what limits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


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
)
COUNTERS: ReadingValues = (
    ("energy_joules", "Energy used since the driver was loaded, in joules.", lambda r: r.power.energy_joules),
)
