"""The PCIe link of one GPU."""

from __future__ import annotations

from dataclasses import dataclass

# P0 to P2 are the states under load; in the others the link is slow on purpose (PCIe ASPM).
LAST_STATE_UNDER_LOAD = 2
# A link leaves its idle generation only when a load begins: at this load it has had time to do so.
LOADED_PERCENT = 50


@dataclass(frozen=True, slots=True)
class LinkSample:
    """The link, and the load of the GPU in the same sample."""

    generation: int | None = None
    width: int | None = None
    performance_state: int | None = None
    gpu_percent: int | None = None

    @property
    def is_under_load(self) -> bool:
        """Whether the link should run at full speed; False if unknown."""
        state, load = self.performance_state, self.gpu_percent
        return (
            state is not None
            and state <= LAST_STATE_UNDER_LOAD
            and load is not None
            and load >= LOADED_PERCENT
        )


@dataclass(frozen=True, slots=True)
class Pcie:
    """The present link, and the best link possible."""

    generation: int | None = None  # nvmlDeviceGetCurrPcieLinkGeneration: drops when idle
    width: int | None = None  # nvmlDeviceGetCurrPcieLinkWidth
    max_generation: int | None = None  # nvmlDeviceGetMaxPcieLinkGeneration: of this GPU in this slot
    max_width: int | None = None  # nvmlDeviceGetMaxPcieLinkWidth: of this GPU in any slot
    card_generation: int | None = None  # nvmlDeviceGetGpuMaxPcieLinkGeneration: of this GPU in any slot
    port_generation: int | None = None  # max_link_speed in /sys, as below
    port_width: int | None = None  # max_link_width in /sys, of the port above; None in a virtual machine
    widest_under_load: int | None = None  # the most lanes that this GPU had under load
    samples: tuple[LinkSample, ...] = ()  # the last two readings of the link in a row, the newest last
    tx_kib_per_second: float | None = None  # leaves the GPU: field value 197 or nvmlDeviceGetPcieThroughput
    rx_kib_per_second: float | None = None  # enters the GPU: field value 198 or nvmlDeviceGetPcieThroughput
    replays: int | None = None  # nvmlDeviceGetPcieReplayCounter or field value 94, since the GPU was reset
