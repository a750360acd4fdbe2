"""The NVLinks of one GPU."""

from __future__ import annotations

from dataclasses import dataclass

NVSWITCH = "NVSwitch"  # stands among a GPU's NVLink peers for all GPUs behind the same switches


@dataclass(frozen=True, slots=True)
class NvLink:
    """One NVLink of a GPU."""

    link: int
    is_active: bool  # nvmlDeviceGetNvLinkState
    version: int | None = None  # nvmlDeviceGetNvLinkVersion, as NVML counts them
    peer: str | None = None  # PCI bus id at the other end, or NVSWITCH
    tx_kib_per_second: float | None = None  # field value 138: data that leaves the GPU
    rx_kib_per_second: float | None = None  # field value 139: data that enters it
    replay_errors: int | None = None  # nvmlDeviceGetNvLinkErrorCounter, as the three below
    recovery_errors: int | None = None
    crc_flit_errors: int | None = None
    crc_data_errors: int | None = None


@dataclass(frozen=True, slots=True)
class NvLinks:
    """All NVLinks of a GPU."""

    links: tuple[NvLink, ...] | None = None  # None: it has no NVLink
    most_active: int = 0  # at once, since the agent first read this card

    @property
    def peers(self) -> frozenset[str] | None:
        """What the active links lead to: PCI bus ids, NVSWITCH; None: there are no links."""
        if self.links is None:
            return None
        return frozenset(link.peer for link in self.links if link.is_active and link.peer)
