"""The PCIe link of one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.pcie import expected_width, max_bandwidth_mbps, mbps, total_mbps, utilization_percent
from agent.derive.rounding import tenths, whole

if TYPE_CHECKING:
    from agent.readings import GpuReading, Pcie


class GpuPcie(BaseModel):
    """NVML: nvmlDeviceGet{Max,Curr}PcieLink{Generation,Width}, field values 197 and 198."""

    generation: int | None = Field(description="highest PCIe generation of this GPU in this slot")
    width: int | None = Field(
        description="highest number of PCIe lanes of this GPU in this slot; in a virtual machine, or where"
        " the slot is unknown, the most seen under load, and null before that"
    )
    current_generation: int | None = Field(
        description="PCIe generation in use now; drops when the GPU is idle"
    )
    current_width: int | None = Field(description="PCIe lanes in use now")
    tx_throughput_mbps: float | None = Field(description="data leaving the GPU, MB/s of 1024 x 1024 bytes")
    rx_throughput_mbps: float | None = Field(description="data entering the GPU, MB/s of 1024 x 1024 bytes")
    total_throughput_mbps: float | None = Field(
        description="data in both directions, MB/s of 1024 x 1024 bytes"
    )
    max_bandwidth_mbps: float | None = Field(
        description="maximum at generation and width, in one direction, MB/s"
    )
    utilization_percent: int | None = Field(
        description="total_throughput_mbps in percent of max_bandwidth_mbps, at most 100"
    )


class GpuPcieDetail(BaseModel):
    """NVML: nvmlDeviceGetMaxPcieLinkWidth, GpuMaxPcieLinkGeneration; max_link_width and _speed in /sys.

    What `width` and `generation` follow from.
    """

    card_generation: int | None = Field(description="highest PCIe generation of the GPU in any slot")
    port_generation: int | None = Field(
        description="highest PCIe generation of the port above the GPU; null in a virtual machine"
    )
    card_width: int | None = Field(description="highest number of PCIe lanes of the GPU in any slot")
    port_width: int | None = Field(
        description="highest number of PCIe lanes of the port above the GPU; null in a virtual machine"
    )
    widest_under_load: int | None = Field(
        description="most PCIe lanes seen under load since the agent started"
    )


def pcie_detail_view(pcie: Pcie) -> GpuPcieDetail:
    """The wire shape of what is known of card and slot."""
    return GpuPcieDetail(
        card_generation=pcie.card_generation,
        port_generation=pcie.port_generation,
        card_width=pcie.max_width,
        port_width=pcie.port_width,
        widest_under_load=pcie.widest_under_load,
    )


def pcie_view(reading: GpuReading) -> GpuPcie:
    """The wire shape of the link."""
    pcie = reading.pcie
    width = expected_width(pcie)
    return GpuPcie(
        generation=pcie.max_generation,
        width=width,
        current_generation=pcie.generation,
        current_width=pcie.width,
        tx_throughput_mbps=tenths(mbps(pcie.tx_kib_per_second)),
        rx_throughput_mbps=tenths(mbps(pcie.rx_kib_per_second)),
        total_throughput_mbps=tenths(total_mbps(reading)),
        max_bandwidth_mbps=max_bandwidth_mbps(pcie.max_generation, width),
        utilization_percent=whole(utilization_percent(reading)),
    )
