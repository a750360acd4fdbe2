"""The PCIe link of one GPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pcie:
    """What the link does, and what it could do."""

    generation: int | None = None  # nvmlDeviceGetCurrPcieLinkGeneration: drops when idle
    width: int | None = None  # nvmlDeviceGetCurrPcieLinkWidth
    max_generation: int | None = None  # nvmlDeviceGetMaxPcieLinkGeneration: of this GPU in this slot
    max_width: int | None = None  # nvmlDeviceGetMaxPcieLinkWidth
    tx_kib_per_second: float | None = None  # leaves the GPU: field value 197 or nvmlDeviceGetPcieThroughput
    rx_kib_per_second: float | None = None  # enters the GPU: field value 198 or nvmlDeviceGetPcieThroughput
    replays: int | None = None  # nvmlDeviceGetPcieReplayCounter or field value 94, since the GPU was reset
