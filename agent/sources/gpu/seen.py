"""The highest numbers of one card; a lower number later means a fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.readings import GpuIdentity
    from agent.readings.restored import KeptCard


@dataclass(slots=True)
class Seen:
    """The highest numbers of one card, across all its handles."""

    nvlinks: int = 0  # active at once
    lanes: int | None = None  # of PCIe, under load


class SeenCards:
    """By UUID, since the agent started. `best`: from before, by UUID and PCI bus id, because slots differ."""

    def __init__(self, best: Mapping[tuple[str, str], KeptCard]) -> None:
        self._best = dict(best)
        self._cards: dict[str, Seen] = {}

    def get(self, identity: GpuIdentity, so_far: Seen) -> Seen:
        """Of this card, whose UUID is known; if it is new, what was seen of it `so_far`."""
        seen = self._cards.setdefault(identity.uuid or "", so_far)
        best = self._best.pop((identity.uuid or "", identity.pci_bus_id or ""), None)
        if best is not None:
            seen.nvlinks = max(seen.nvlinks, best.nvlinks)
            seen.lanes = max(filter(None, (seen.lanes, best.lanes)), default=None)
        return seen
