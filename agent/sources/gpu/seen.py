"""The best that one card was seen to do: what is less than that later on has got worse."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Seen:
    """Of one card since the agent started, through however many handles."""

    nvlinks: int = 0  # active at once
    lanes: int | None = None  # of PCIe, under load
