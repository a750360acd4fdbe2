"""The NVLinks of one GPU."""

from __future__ import annotations

from dataclasses import dataclass

NVSWITCH = "NVSwitch"  # among a GPU's NVLink peers: all GPUs behind the same switches


# Fields of NvLink that only NVLink 5 and newer have.
PACKET_ERRORS = (
    "malformed_packet_errors",
    "buffer_overrun_errors",
    "receive_errors",
    "receive_remote_errors",
    "receive_general_errors",
    "local_link_integrity_errors",
    "transmit_discards",
    "failed_recoveries",
    "effective_errors",
    "symbol_errors",
)


@dataclass(frozen=True, slots=True)
class NvLink:
    """One NVLink of a GPU."""

    link: int
    is_active: bool  # nvmlDeviceGetNvLinkState
    version: int | None = None  # nvmlDeviceGetNvLinkVersion, as NVML counts them
    peer: str | None = None  # PCI bus id at the other end, or NVSWITCH
    # Field value 164, or 90: what it can carry in one direction, MB/s of 1000 x 1000 bytes
    speed_megabytes_per_second: int | None = None
    tx_kib_per_second: float | None = None  # field value 138 or 202: data that leaves the GPU
    rx_kib_per_second: float | None = None  # field value 139 or 204: data that enters it
    replay_errors: int | None = None  # nvmlDeviceGetNvLinkErrorCounter, as the three below
    recovery_errors: int | None = None  # or field value 215
    crc_flit_errors: int | None = None
    crc_data_errors: int | None = None
    counts_packets: bool = False  # as NVLink 5 and newer do, which alone have PACKET_ERRORS
    malformed_packet_errors: int | None = None  # field value 206
    buffer_overrun_errors: int | None = None  # field value 207
    receive_errors: int | None = None  # field value 208
    receive_remote_errors: int | None = None  # field value 209
    receive_general_errors: int | None = None  # field value 210
    local_link_integrity_errors: int | None = None  # field value 211
    transmit_discards: int | None = None  # field value 212
    failed_recoveries: int | None = None  # field value 214
    effective_errors: int | None = None  # field value 219: what forward error correction did not mend
    symbol_errors: int | None = None  # field value 221: with what it mended


@dataclass(frozen=True, slots=True)
class NvLinks:
    """All NVLinks of a GPU."""

    links: tuple[NvLink, ...] | None = None  # None: it has no NVLink
    most_active: int = 0  # at once, since the agent first read this card

    @property
    def peers(self) -> frozenset[str] | None:
        """The remote ends of the active links: PCI bus ids, NVSWITCH; None: there are no links."""
        if self.links is None:
            return None
        return frozenset(link.peer for link in self.links if link.is_active and link.peer)
