"""What a GPU's NVLinks lead to."""

from __future__ import annotations

from typing import Any

import pynvml

from agent.readings import NVSWITCH
from agent.sources.nvml import ask


def read_nvlink_peers(handle: Any) -> frozenset[str] | None:
    """PCI bus ids at the other end of this GPU's active links, NVSWITCH for a switch; None: it has no NVLink.

    NVML: nvmlDeviceGetNvLinkState, nvmlDeviceGetNvLinkRemoteDeviceType, nvmlDeviceGetNvLinkRemotePciInfo_v2.
    """
    peers: set[str] = set()
    for link in range(pynvml.NVML_NVLINK_MAX_LINKS):
        state = ask("nvmlDeviceGetNvLinkState", handle, link)
        if state is None:  # links are numbered without gaps: there are no more, or none at all
            return frozenset(peers) if link else None
        if state == pynvml.NVML_FEATURE_ENABLED and (peer := _peer(handle, link)) is not None:
            peers.add(peer)
    return frozenset(peers)


def read_bus_id(handle: Any) -> str | None:
    """Where this GPU is on the PCI bus. NVML: nvmlDeviceGetPciInfo_v3."""
    return _bus_id(ask("nvmlDeviceGetPciInfo", handle))


def _peer(handle: Any, link: int) -> str | None:
    kind = ask("nvmlDeviceGetNvLinkRemoteDeviceType", handle, link)
    if kind == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
        return NVSWITCH
    # A driver that does not tell the type does tell the bus id; that of anything but a GPU is no GPU's.
    return _bus_id(ask("nvmlDeviceGetNvLinkRemotePciInfo", handle, link))


def _bus_id(info: Any) -> str | None:
    """Out of nvmlPciInfo_t; empty where a virtual machine hides the other end."""
    text = getattr(info, "busId", "")
    bus_id = (text.decode() if isinstance(text, bytes) else text).upper()
    return bus_id or None
