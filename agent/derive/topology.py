"""How two GPUs are connected, in the words of `nvidia-smi topo --matrix`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from agent.readings import NVSWITCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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


def topology_matrix(snapshot: Snapshot) -> Iterator[list[str | None]]:
    """Row by row: `X` on the diagonal, `NV<links>` where NVLink connects, else by PCIe; None: unknown."""
    behind_switch = {
        gpu.index for gpu in snapshot.gpus if NVSWITCH in (gpu.values.nvlink.peers or frozenset())
    }
    for one in snapshot.gpus:
        peers = Counter(link.peer for link in one.values.nvlink.links or () if link.is_active)
        yield [
            _connection(snapshot, one, other, _links_to(peers, other, other.index in behind_switch))
            for other in snapshot.gpus
        ]


def _connection(snapshot: Snapshot, one: GpuSample, other: GpuSample, links: int) -> str | None:
    if one is other:
        return "X"
    if links:
        return f"NV{links}"
    levels = snapshot.topology.levels if snapshot.topology else ()
    known = max(one.index, other.index) < len(levels)
    return _WORDS.get(levels[one.index][other.index]) if known else None


def _links_to(peers: Counter[str | None], other: GpuSample, is_behind_switch: bool) -> int:
    """The number of active NVLinks with these peers that lead to `other`, directly or through switches."""
    bus_id = other.identity.pci_bus_id
    direct = 0 if bus_id is None else peers[bus_id]
    return direct or (peers[NVSWITCH] if is_behind_switch else 0)
