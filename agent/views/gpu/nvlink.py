"""The NVLinks of one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.pcie import mbps
from agent.derive.rounding import tenths

if TYPE_CHECKING:
    from agent.readings import NvLink, NvLinks


class GpuNvLink(BaseModel):
    """NVML: nvmlDeviceGetNvLinkState, Version, RemotePciInfo, ErrorCounter; field values 138 and 139."""

    link: int = Field(description="number of the link")
    is_active: bool = Field(description="whether the link is up")
    version: int | None = Field(description="NVLink version as reported by NVML")
    peer: str | None = Field(description="PCI bus id at the other end, or NVSwitch")
    tx_throughput_mbps: float | None = Field(description="data leaving the GPU, MB/s of 1024 x 1024 bytes")
    rx_throughput_mbps: float | None = Field(description="data entering the GPU, MB/s of 1024 x 1024 bytes")
    replay_errors: int | None = Field(description="packets that were sent again")
    recovery_errors: int | None = Field(description="times the link was recovered")
    crc_flit_errors: int | None = Field(description="flow control units with a wrong checksum")
    crc_data_errors: int | None = Field(description="data packets with a wrong checksum")


def nvlinks_view(nvlink: NvLinks) -> list[GpuNvLink] | None:
    """The wire shape of each link."""
    return None if nvlink.links is None else [_link(link) for link in nvlink.links]


def _link(link: NvLink) -> GpuNvLink:
    return GpuNvLink(
        link=link.link,
        is_active=link.is_active,
        version=link.version,
        peer=link.peer,
        tx_throughput_mbps=tenths(mbps(link.tx_kib_per_second)),
        rx_throughput_mbps=tenths(mbps(link.rx_kib_per_second)),
        replay_errors=link.replay_errors,
        recovery_errors=link.recovery_errors,
        crc_flit_errors=link.crc_flit_errors,
        crc_data_errors=link.crc_data_errors,
    )
