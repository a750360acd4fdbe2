"""How two GPUs are connected, in the words of `nvidia-smi topo --matrix`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import NVSWITCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.readings import GpuSample, Snapshot

# nvml.h: nvmlGpuTopologyLevel_t
_WORDS: Mapping[int | None, str] = {
    0: "PSB",  # on the same board
    10: "PIX",  # at most one PCIe bridge between them
    20: "PXB",  # several PCIe bridges, no host bridge
    30: "PHB",  # a PCIe host bridge, which is the CPU
    40: "NODE",  # host bridges within a NUMA node
    50: "SYS",  # the interconnect between NUMA nodes
}


def topology_matrix(snapshot: Snapshot) -> list[list[str | None]]:
    """Row by row: `X` on the diagonal, `NV<links>` where NVLink connects, else by PCIe; None: unknown."""
    return [[_connection(snapshot, one, other) for other in snapshot.gpus] for one in snapshot.gpus]


def _connection(snapshot: Snapshot, one: GpuSample, other: GpuSample) -> str | None:
    if one is other:
        return "X"
    links = _links_to(one, other)
    if links:
        return f"NV{links}"
    levels = snapshot.topology.levels if snapshot.topology else ()
    known = max(one.index, other.index) < len(levels)
    return _WORDS.get(levels[one.index][other.index]) if known else None


def _links_to(one: GpuSample, other: GpuSample) -> int:
    """Active NVLinks of `one` that lead to `other`, or to switches that lead to it too."""
    links = [link for link in one.values.nvlink.links or () if link.is_active]
    direct = sum(link.peer is not None and link.peer == other.identity.pci_bus_id for link in links)
    if direct:
        return direct
    return (
        sum(link.peer == NVSWITCH for link in links) if NVSWITCH in (other.values.nvlink.peers or ()) else 0
    )
