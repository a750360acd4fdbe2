"""The NVLinks of each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import GPU_LABELS, KIB, counter, label_values, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import Metric

    from agent.readings import GpuReading, GpuSample
    from agent.views.prometheus.families import ValuesByLabel


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


def nvlink_errors(readings: Sequence[tuple[GpuSample, GpuReading]]) -> Metric:
    """The counters of all links together, by the type of the error."""
    return counter(
        "nvlink_errors",
        "Errors of all NVLinks of the GPU.",
        (*GPU_LABELS, "type"),
        (
            (label_values(gpu, kind), sum_of_known(getattr(link, f"{kind}_errors") for link in links))
            for gpu, reading in readings
            for links in [reading.nvlink.links or ()]
            for kind in ("replay", "recovery", "crc_flit", "crc_data")
        ),
    )


def sum_of_known(values: Iterable[int | None]) -> int | None:
    """Of those that are told; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
