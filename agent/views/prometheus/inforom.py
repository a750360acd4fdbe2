"""Whether the InfoROM of each GPU is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    (
        "inforom_valid",
        "1 if the checksum of the InfoROM is right, else 0.",
        lambda r: r.inforom.is_valid,
    ),
)
