"""PCIe: the bandwidth of the link, and its utilization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.rounding import percent, sum_if_all_known

if TYPE_CHECKING:
    from agent.readings import GpuReading, Pcie

# MB/s of one lane in one direction, by PCIe generation, after line coding.
LANE_MBPS = {1: 250, 2: 500, 3: 985, 4: 1969, 5: 3938, 6: 7563}


def expected_width(pcie: Pcie) -> int | None:
    """The highest number of lanes of this GPU in this slot: many cards with 16 lanes are in a slot with 8.

    The smaller number of the card and of the port above it. If no real port is known, as in a virtual
    machine, the most lanes seen under load; unknown before that.
    """
    if pcie.max_width is None or pcie.port_width is None:
        return pcie.widest_under_load
    return min(pcie.max_width, pcie.port_width)


def max_bandwidth_mbps(generation: int | None, width: int | None) -> float | None:
    """MB/s in one direction; unknown for an unknown link."""
    lane = LANE_MBPS.get(generation or 0)
    return float(lane * width) if lane and width else None


def mbps(kib_per_second: float | None) -> float | None:
    """NVML's KiB/s as MB/s of 1024 x 1024 bytes."""
    return None if kib_per_second is None else kib_per_second / 1024


def total_mbps(reading: GpuReading) -> float | None:
    """Both directions together, MB/s."""
    return mbps(sum_if_all_known(reading.pcie.tx_kib_per_second, reading.pcie.rx_kib_per_second))


def utilization_percent(reading: GpuReading) -> float | None:
    """Total throughput in percent of the best of this GPU in this slot in one direction; at most 100."""
    best = max_bandwidth_mbps(reading.pcie.max_generation, expected_width(reading.pcie))
    share = percent(total_mbps(reading), best)
    return None if share is None else min(share, 100.0)
