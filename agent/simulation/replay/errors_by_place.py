"""The ECC errors of a document by the place that had them: SRAM or DRAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulation.codes import NvmlReturn
from agent.simulation.replay.words import together

if TYPE_CHECKING:
    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.replay.words import Section

_SRAM_PARTS = ("l2", "sm", "microcontroller", "pcie", "other")
# By the name in ErrorCounters; GPUs before Turing call DRAM by another name, and report nothing about SRAM.
_PLACES = {
    "sram_corrected": ("sram_correctable",),
    "sram_uncorrected": ("sram_uncorrectable",),
    "sram_parity": ("sram_uncorrectable_parity",),
    "sram_secded": ("sram_uncorrectable_secded",),
    "dram_corrected": ("dram_correctable", "single_bit/device_memory"),
    "dram_uncorrected": ("dram_uncorrectable", "double_bit/device_memory"),
}


def replay_errors_by_place(gpu: SimulatedGpu, section: Section) -> None:
    """Set the counters of the GPU to the values in the document.

    R545 and newer report SRAM in one struct, with the parts of what could not be corrected.
    """
    counters = gpu.error_counters
    for ours, theirs in _PLACES.items():
        for since in ("volatile", "aggregate"):
            errors = section.number(*(f"ecc_errors/{since}/{name}" for name in theirs))
            setattr(counters, f"{ours}_{since}", errors)
    sources = "ecc_errors/aggregate_uncorrectable_sram_sources"
    counters.sram_sources = tuple(section.number(f"{sources}/sram_{part}") for part in _SRAM_PARTS)
    status = together(
        counters.sram_parity_volatile,
        counters.sram_parity_aggregate,
        counters.sram_secded_volatile,
        counters.sram_secded_aggregate,
    )
    if isinstance(status, NvmlReturn):
        gpu.fail("nvmlDeviceGetSramEccErrorStatus", status)
