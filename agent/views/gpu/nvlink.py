"""The NVLinks of one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.pcie import mbps
from agent.derive.rounding import tenths
from agent.readings import PACKET_ERRORS

if TYPE_CHECKING:
    from agent.readings import NvLink, NvLinks


class GpuNvLink(BaseModel):
    """NVML: nvmlDeviceGetNvLinkState, Version, RemotePciInfo, ErrorCounter; field values 138, 139 and 164.

    NVLink 5 counts bytes and errors by field values 202 to 221, and has the last ten fields alone.
    """

    link: int = Field(description="number of the link")
    is_active: bool = Field(description="whether the link is up")
    version: int | None = Field(description="NVLink version as reported by NVML")
    peer: str | None = Field(description="PCI bus id at the other end, or NVSwitch")
    speed_mbps: int | None = Field(
        description="speed of the link in one direction, including the share of the protocol, MB/s of 1000"
        " x 1000"
        " bytes; null while it is down"
    )
    tx_throughput_mbps: float | None = Field(description="data leaving the GPU, MB/s of 1024 x 1024 bytes")
    rx_throughput_mbps: float | None = Field(description="data entering the GPU, MB/s of 1024 x 1024 bytes")
    replay_errors: int | None = Field(description="packets that were sent again")
    recovery_errors: int | None = Field(description="times the link was recovered")
    crc_flit_errors: int | None = Field(description="flow control units with a wrong checksum")
    crc_data_errors: int | None = Field(description="data packets with a wrong checksum")
    malformed_packet_errors: int | None = Field(
        default=None, description="only with NVLink 5: malformed packets"
    )
    buffer_overrun_errors: int | None = Field(
        default=None, description="only with NVLink 5: packets dropped because the buffer was full"
    )
    receive_errors: int | None = Field(
        default=None, description="only with NVLink 5: packets received with an error"
    )
    receive_remote_errors: int | None = Field(
        default=None, description="only with NVLink 5: packets received that the sender marked as bad"
    )
    receive_general_errors: int | None = Field(
        default=None, description="only with NVLink 5: packets received with an error of another kind"
    )
    local_link_integrity_errors: int | None = Field(
        default=None, description="only with NVLink 5: times at which local errors passed a threshold"
    )
    transmit_discards: int | None = Field(
        default=None, description="only with NVLink 5: packets that were not sent"
    )
    failed_recoveries: int | None = Field(
        default=None, description="only with NVLink 5: times the link could not be recovered"
    )
    effective_errors: int | None = Field(
        default=None, description="only with NVLink 5: errors left after forward error correction"
    )
    symbol_errors: int | None = Field(
        default=None, description="only with NVLink 5: symbols received with an error"
    )


def nvlinks_view(nvlink: NvLinks) -> list[GpuNvLink] | None:
    """The wire shape of each link."""
    return None if nvlink.links is None else [_link(link) for link in nvlink.links]


def _link(link: NvLink) -> GpuNvLink:
    of_packets = {name: getattr(link, name) for name in PACKET_ERRORS} if link.counts_packets else {}
    return GpuNvLink(
        link=link.link,
        is_active=link.is_active,
        version=link.version,
        peer=link.peer,
        speed_mbps=link.speed_megabytes_per_second,
        tx_throughput_mbps=tenths(mbps(link.tx_kib_per_second)),
        rx_throughput_mbps=tenths(mbps(link.rx_kib_per_second)),
        replay_errors=link.replay_errors,
        recovery_errors=link.recovery_errors,
        crc_flit_errors=link.crc_flit_errors,
        crc_data_errors=link.crc_data_errors,
        **of_packets,  # what is not set is left out
    )
