"""Error counters of a simulated GPU, which can be set freely."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ErrorCounters:
    """Counts since the driver was loaded, unless noted. A new GPU has none.

    As values of a GPU, each can be an NvmlReturn.
    """

    corrected_volatile: int = 0  # ECC errors
    uncorrected_volatile: int = 0
    corrected_aggregate: int = 0  # over the life of the GPU
    uncorrected_aggregate: int = 0
    # Of SRAM those that were not corrected count twice: together, and by what detected them
    sram_corrected_volatile: int = 0
    sram_corrected_aggregate: int = 0
    sram_uncorrected_volatile: int = 0
    sram_uncorrected_aggregate: int = 0
    sram_parity_volatile: int = 0
    sram_parity_aggregate: int = 0
    sram_secded_volatile: int = 0
    sram_secded_aggregate: int = 0
    sram_sources: tuple[int, ...] | int = (0, 0, 0, 0, 0)  # L2, SM, microcontroller, PCIe, other
    dram_corrected_volatile: int = 0
    dram_corrected_aggregate: int = 0
    dram_uncorrected_volatile: int = 0
    dram_uncorrected_aggregate: int = 0
    retired_pages_corrected: int = 0  # over the life of the GPU
    retired_pages_uncorrected: int = 0
    retirement_pending: int = 0  # 1: yes
    remapped_rows_corrected: int = 0  # over the life of the GPU
    remapped_rows_uncorrected: int = 0
    remapping_pending: int = 0
    remapping_failed: int = 0
    remap_banks: tuple[int, ...] | int = (
        640,
        0,
        0,
        0,
        0,
    )  # with all spare rows, most, some, few, none
    sram_threshold_exceeded: int = 0  # over the life of the GPU, as the next
    unrepairable_memory: int = 0
    channel_repair_pending: int = 0  # at the next reset, as the next
    tpc_repair_pending: int = 0
    inforom: int = 0  # what nvmlDeviceValidateInforom returns: 14, NVML_ERROR_CORRUPTED_INFOROM
    pcie_replays: int = 0
    nvlink_errors: dict[tuple[int, int], int] = field(
        default_factory=dict
    )  # by link and nvmlNvLinkErrorCounter_t
    nvlink_packet_errors: dict[tuple[int, int], int] = field(default_factory=dict)  # by link and field id
    recovery_action: int = 0  # nvmlDeviceGpuRecoveryAction_t
