"""How fast the clocks of each GPU run, and what holds them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.throttling import ClocksEventReason
from agent.views.prometheus.families import MHZ, scaled

if TYPE_CHECKING:
    from agent.readings import Clocks
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
        "1 while this reason limits the clocks, else 0; absent if the GPU does not report the reason.",
        lambda r: {reason.name.lower(): _is_active(r.clocks, reason) for reason in ClocksEventReason},
    ),
)


def _is_active(clocks: Clocks, reason: ClocksEventReason) -> bool | None:
    """None: unknown. GPUs before Pascal do not tell the kinds of a hardware slowdown apart."""
    active, supported = clocks.event_reasons, clocks.supported_event_reasons
    if active is None or (supported and not (active | supported) & reason):
        return None
    return bool(active & reason)
