"""Which GPU is behind a handle, and what is written on its board."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.readings import GpuIdentity
from agent.sources.gpu.once import Once
from agent.sources.gpu.paces import FIXED_PACE
from agent.sources.nvml import query_or_none
from agent.sources.paced import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class IdentitySource:
    """The identity of the GPU behind one handle."""

    def __init__(self, handle: Any) -> None:
        self._once = Once(handle, _ONCE)
        self._board = Paced(FIXED_PACE, lambda: _read_board(handle))

    def read(self, now: float) -> GpuIdentity:
        """NVML: see the fields of GpuIdentity."""
        return GpuIdentity(**self._once.get(now), **self._board.get(now))


def bus_id(info: Any) -> str | None:
    """Out of nvmlPciInfo_t; empty where a virtual machine hides the other end of a link."""
    text = getattr(info, "busId", "")
    return (text.decode() if isinstance(text, bytes) else text).upper() or None


_ONCE: Mapping[str, Callable[[Any], Any]] = {
    "uuid": lambda handle: query_or_none("nvmlDeviceGetUUID", handle),
    "name": lambda handle: query_or_none("nvmlDeviceGetName", handle),
    "pci_bus_id": lambda handle: bus_id(query_or_none("nvmlDeviceGetPciInfo", handle)),
}


def _read_board(handle: Any) -> dict[str, Any]:
    capability = query_or_none("nvmlDeviceGetCudaComputeCapability", handle)
    return {
        "serial": query_or_none("nvmlDeviceGetSerial", handle),
        "part_number": query_or_none("nvmlDeviceGetBoardPartNumber", handle) or None,  # some boards answer ""
        "vbios_version": query_or_none("nvmlDeviceGetVbiosVersion", handle),
        "compute_capability": None if capability is None else (capability[0], capability[1]),
    }
