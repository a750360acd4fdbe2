"""The rich API's `/gpu`, also each event of `/gpu/stream`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from agent.derive.health import examine
from agent.derive.rounding import tenths, whole
from agent.derive.summary import summarize
from agent.derive.topology import topology_matrix
from agent.views.gpu.detail import detail_view
from agent.views.gpu.device import Gpu, gpu_view
from agent.views.system_info import SystemInfo, system_info_view
from agent.views.units import iso_utc, mib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.derive.activity import Thresholds
    from agent.readings import DriverReading, GpuReading, GpuSample, Snapshot


class GpuSummary(BaseModel):
    """Sums and means over the listed GPUs that could be read."""

    total_memory_mb: int | None = Field(description="MiB")
    total_used_memory_mb: int | None = Field(description="MiB")
    memory_utilization_percent: float | None = Field(description="percent")
    average_gpu_utilization_percent: float | None = Field(description="percent")
    average_temperature_celsius: int | None = Field(description="degrees Celsius")
    total_power_usage_watts: float | None = Field(description="watts")


class GpuMetrics(BaseModel):
    """Host, GPUs and their sums at one moment."""

    timestamp: str = Field(description="when the sample was taken, ISO 8601 UTC")
    simulated: bool = Field(description="true: no real GPU is behind these numbers")
    system_info: SystemInfo
    gpu_count: int = Field(description="number of visible GPUs, whatever idx selects")
    gpus: list[Gpu] = Field(description="in the order of their index")
    summary: GpuSummary
    status: Literal["ok", "degraded"] = Field(description="degraded: some listed GPU could not be read")
    topology: list[list[str | None]] | None = Field(
        default=None,
        description="only with detail=1: how each GPU of the host is connected with each, by index;"
        " X itself, NV4 by four NVLinks, else by PCIe as nvidia-smi topo says: PSB, PIX, PXB, PHB, NODE, SYS",
    )


class StreamError(BaseModel):
    """An event of the stream while there is nothing to show; the stream goes on."""

    status: Literal["error"] = Field(description="always error: there are no metrics")
    error: str = Field(description="one sentence that says what is wrong")
    timestamp: str = Field(description="ISO 8601 UTC")


def metrics_view(
    snapshot: Snapshot,
    driver: DriverReading,
    selected: Sequence[GpuSample],
    thresholds: Thresholds,
    *,
    detail: bool = False,
) -> GpuMetrics:
    """The wire shape of one Snapshot; `selected` are the GPUs to list. What is not set is left out."""
    described = snapshot.host_processes
    health = examine(snapshot)
    readings = [gpu.reading for gpu in selected if gpu.reading is not None]
    metrics = GpuMetrics(
        timestamp=iso_utc(snapshot.taken_at),
        simulated=snapshot.simulated,
        system_info=system_info_view(driver, snapshot.host, snapshot.processes),
        gpu_count=len(snapshot.gpus),
        gpus=[gpu_view(gpu, described, thresholds, health[gpu.index]) for gpu in selected],
        summary=_summary_view(readings),
        status="ok" if len(readings) == len(selected) else "degraded",
    )
    if detail:
        metrics.topology = topology_matrix(snapshot)
        for view, gpu in zip(metrics.gpus, selected, strict=True):
            view.detail = detail_view(gpu, health[gpu.index])
    return metrics


def error_view(snapshot: Snapshot, error: str) -> StreamError:
    """The event that says why there are no metrics."""
    return StreamError(status="error", error=error, timestamp=iso_utc(snapshot.taken_at))


def _summary_view(readings: Sequence[GpuReading]) -> GpuSummary:
    summary = summarize(readings)
    return GpuSummary(
        total_memory_mb=whole(mib(summary.total_memory_bytes)),
        total_used_memory_mb=whole(mib(summary.total_used_memory_bytes)),
        memory_utilization_percent=tenths(summary.memory_utilization_percent),
        average_gpu_utilization_percent=tenths(summary.average_gpu_utilization_percent),
        average_temperature_celsius=whole(summary.average_temperature_celsius),
        total_power_usage_watts=tenths(summary.total_power_watts),
    )
