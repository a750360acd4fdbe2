"""The NVLinks of each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.rounding import sum_if_all_known
from agent.views.prometheus.families import GPU_LABELS, KIB, counter, label_values, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent.readings import GpuReading, GpuSample, NvLink, NvLinks
    from agent.views.prometheus.exposition import Family
    from agent.views.prometheus.families import ReadingValues, ValuesByLabel

# The field of NvLink by the type of the error; that of a link before NVLink 5.
_KINDS = {kind: f"{kind}_errors" for kind in ("replay", "recovery", "crc_flit", "crc_data")}
_KINDS_OF_PACKETS = {
    **_KINDS,
    "malformed_packet": "malformed_packet_errors",
    "buffer_overrun": "buffer_overrun_errors",
    "receive": "receive_errors",
    "receive_remote": "receive_remote_errors",
    "receive_general": "receive_general_errors",
    "local_link_integrity": "local_link_integrity_errors",
    "transmit_discard": "transmit_discards",
    "failed_recovery": "failed_recoveries",
    "effective": "effective_errors",
    "symbol": "symbol_errors",
}

GAUGES: ReadingValues = (
    (
        "nvlink_speed_bytes_per_second",
        "Speed in one direction of the slowest NVLink that is up, in bytes per second.",
        lambda r: scaled(slowest(r.nvlink), 1_000_000),
    ),
)
BY_LABEL: ValuesByLabel = (
    (
        "nvlink_up",
        "link",
        "1 if the NVLink is up, else 0.",
        lambda r: {str(one.link): one.is_active for one in r.nvlink.links or ()},
    ),
    (
        "nvlink_tx_bytes_per_second",
        "link",
        "Data that leaves the GPU through the NVLink, in bytes per second.",
        lambda r: {str(one.link): scaled(one.tx_kib_per_second, KIB) for one in r.nvlink.links or ()},
    ),
    (
        "nvlink_rx_bytes_per_second",
        "link",
        "Data that enters the GPU through the NVLink, in bytes per second.",
        lambda r: {str(one.link): scaled(one.rx_kib_per_second, KIB) for one in r.nvlink.links or ()},
    ),
)


def nvlink_errors(readings: Sequence[tuple[GpuSample, GpuReading]]) -> Family:
    """The counters of all links together, by the type of the error."""
    return counter(
        "nvlink_errors",
        "Errors of all NVLinks of the GPU.",
        (*GPU_LABELS, "type"),
        (
            (label_values(gpu, kind), _total(links, field))
            for gpu, reading in readings
            for links in [reading.nvlink.links or ()]
            for kind, field in _kinds(links).items()
        ),
    )


def _kinds(links: Iterable[NvLink]) -> Mapping[str, str]:
    return _KINDS_OF_PACKETS if any(link.counts_packets for link in links) else _KINDS


def slowest(nvlink: NvLinks) -> int | None:
    """MB/s of the slowest link that is up and reports its speed."""
    speeds = (link.speed_megabytes_per_second for link in nvlink.links or () if link.is_active)
    return min((speed for speed in speeds if speed is not None), default=None)


def _total(links: Iterable[NvLink], field: str) -> float | None:
    """The counter of all links together; None if that of a link that is up is unknown.

    Without that link the counter would decrease, which Prometheus takes for a restart from 0.
    """
    counts = [(link.is_active, getattr(link, field)) for link in links]
    reported = [count for is_active, count in counts if is_active or count is not None]
    return sum_if_all_known(*reported) if reported else None
