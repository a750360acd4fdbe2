"""How the GPUs of a host are connected by PCIe."""

from __future__ import annotations

from typing import Any

import pynvml

from agent.readings import Topology
from agent.sources.nvml import query_or_none


class TopologySource:
    """One thread owns it, with handles of its own, so that a hung GPU does not block the others."""

    def read(self, gpu_count: int) -> Topology:
        """Each pair is read once, because it is symmetric. Pairs of a lost GPU are None.

        NVML: nvmlDeviceGetTopologyCommonAncestor.
        """
        handles = [_query("nvmlDeviceGetHandleByIndex", index) for index in range(gpu_count)]
        levels: list[list[int | None]] = [[None] * gpu_count for _ in handles]
        for one, handle in enumerate(handles):
            for other in range(one):
                if handle is not None and handles[other] is not None:
                    level = _query("nvmlDeviceGetTopologyCommonAncestor", handle, handles[other])
                    levels[one][other] = levels[other][one] = level
        return Topology(tuple(map(tuple, levels)))


def _query(function: str, *arguments: Any) -> Any:
    try:
        return query_or_none(function, *arguments)
    except pynvml.NVMLError:
        return None
