"""`/metrics`: every family is made from one Snapshot, so that what is gone leaves no series.

A file for each subject lists its families: name, help, value. `gpus.py` combines them, `families.py` gives
each its prefix, type and labels, and `exposition.py` writes the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.holdings import holdings
from agent.views.prometheus.agent import AgentHealth, agent_families
from agent.views.prometheus.exposition import OPENMETRICS, TEXT, text_of
from agent.views.prometheus.gpus import gpu_families
from agent.views.prometheus.health import health_families, host_health_families
from agent.views.prometheus.processes import process_families
from agent.views.prometheus.unknown import driver_errors
from agent.views.prometheus.users import user_families
from agent.views.prometheus.xid import blamed_processes, xid_errors, xid_timestamps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import Snapshot
    from agent.views.prometheus.exposition import Family

__all__ = ["OPENMETRICS", "TEXT", "AgentHealth", "Exposition"]


class Exposition:
    """One Snapshot as families."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        idle_after_seconds: float,
        processes: bool,
        nvlinks: bool,
        agent: AgentHealth,
    ) -> None:
        self._snapshot = snapshot
        self._idle_after_seconds = idle_after_seconds
        self._processes = processes
        self._nvlinks = nvlinks
        self._agent = agent

    def text(self, content_type: str) -> bytes:
        """In TEXT or OPENMETRICS."""
        return text_of(self._families(), content_type)

    def _families(self) -> Iterator[Family]:
        snapshot = self._snapshot
        yield from agent_families(snapshot, self._agent)
        yield from host_health_families(snapshot)
        if snapshot.driver is not None:
            held = holdings(snapshot, snapshot.gpus, self._idle_after_seconds)
            yield from health_families(snapshot)
            yield xid_errors(snapshot)
            yield xid_timestamps(snapshot)
            if self._processes:
                yield blamed_processes(snapshot)
            yield driver_errors(snapshot)
            yield from gpu_families(snapshot, snapshot.driver, nvlinks=self._nvlinks)
            yield from process_families(snapshot, held, each=self._processes)
            yield from user_families(snapshot, held)
