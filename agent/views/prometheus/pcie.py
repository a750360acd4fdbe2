"""The PCIe link of each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.pcie import expected_width
from agent.views.prometheus.families import KIB, scaled

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    ("pcie_link_generation", "PCIe generation in use.", lambda r: r.pcie.generation),
    ("pcie_link_width", "Number of PCIe lanes in use.", lambda r: r.pcie.width),
    (
        "pcie_max_generation",
        "Highest PCIe generation of this GPU in this slot.",
        lambda r: r.pcie.max_generation,
    ),
    (
        "pcie_max_width",
        "Highest number of PCIe lanes of this GPU in this slot.",
        lambda r: expected_width(r.pcie),
    ),
    (
        "pcie_card_generation",
        "Highest PCIe generation of the GPU in any slot.",
        lambda r: r.pcie.card_generation,
    ),
    (
        "pcie_port_generation",
        "Highest PCIe generation of the port above the GPU; absent in a virtual machine.",
        lambda r: r.pcie.port_generation,
    ),
    (
        "pcie_tx_bytes_per_second",
        "Data that leaves the GPU through PCIe, in bytes per second.",
        lambda r: scaled(r.pcie.tx_kib_per_second, KIB),
    ),
    (
        "pcie_rx_bytes_per_second",
        "Data that enters the GPU through PCIe, in bytes per second.",
        lambda r: scaled(r.pcie.rx_kib_per_second, KIB),
    ),
)
COUNTERS: ReadingValues = (
    ("pcie_replays", "PCIe packets sent again since the GPU was reset.", lambda r: r.pcie.replays),
)
