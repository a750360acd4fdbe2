"""How fast the clocks of each GPU run, and what holds them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.throttling import ClocksEventReason
from agent.views.prometheus.families import MHZ, scaled

if TYPE_CHECKING:
    from agent.views.prometheus.families import ValuesByLabel


BY_LABEL: ValuesByLabel = (
    (
        "clock_hertz",
        "clock",
        "Current clock frequency, in hertz.",
        lambda r: {
            "graphics": scaled(r.clocks.graphics_mhz, MHZ),
            "memory": scaled(r.clocks.memory_mhz, MHZ),
            "sm": scaled(r.clocks.sm_mhz, MHZ),
            "video": scaled(r.clocks.video_mhz, MHZ),
        },
    ),
    (
        "clock_max_hertz",
        "clock",
        "Highest clock frequency, in hertz.",
        lambda r: {
            "graphics": scaled(r.clocks.max_graphics_mhz, MHZ),
            "memory": scaled(r.clocks.max_memory_mhz, MHZ),
            "sm": scaled(r.clocks.max_sm_mhz, MHZ),
            "video": scaled(r.clocks.max_video_mhz, MHZ),
        },
    ),
    (
        "clocks_event_reason",
        "reason",
        "1 while this reason limits the clocks, else 0.",
        lambda r: {
            reason.name.lower(): None
            if r.clocks.event_reasons is None
            else bool(r.clocks.event_reasons & reason)
            for reason in ClocksEventReason
        },
    ),
)
