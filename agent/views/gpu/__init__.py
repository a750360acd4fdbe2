"""The object of `/gpu`, also each event of `/gpu/stream`.

The file of each subject has the model and the function that fills it. `device.py` combines them for each GPU,
and `detail.py` adds what only detail=1 shows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter
from typing_extensions import TypeAliasType

from agent.derive.health import examine
from agent.derive.host_health import examine_host
from agent.derive.rounding import tenths, whole
from agent.derive.summary import summarize
from agent.derive.topology import topology_matrix
from agent.readings import GpuState
from agent.views.gpu.detail import detail_view
from agent.views.gpu.device import Gpu, gpu_view
from agent.views.gpu.unknown import unknown_view
from agent.views.health import HealthFinding, HealthReport, findings_view, health_view
from agent.views.kernel_log import KernelLog, kernel_log_view
from agent.views.pieces import MadeOnce, filled, to_json
from agent.views.system_info import SystemInfo, system_info_view
from agent.views.units import iso_utc, mib

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.derive.activity import Thresholds
    from agent.readings import DriverReading, GpuReading, GpuSample, Snapshot


_ROW = TypeAdapter(list[str | None])  # of the topology


class GpuSummary(BaseModel):
    """Sums and means over the listed GPUs that could be read."""

    total_memory_mb: int | None = Field(description="memory of all listed GPUs, MiB")
    total_used_memory_mb: int | None = Field(description="memory in use on all listed GPUs, MiB")
    memory_utilization_percent: float | None = Field(description="used of total memory, percent")
    average_gpu_utilization_percent: float | None = Field(description="mean GPU utilization, percent")
    average_temperature_celsius: int | None = Field(description="mean core temperature, degrees Celsius")
    total_power_usage_watts: float | None = Field(description="power draw of all listed GPUs, watts")


class GpuMetrics(BaseModel):
    """Host, GPUs and their sums at one moment."""

    timestamp: str = Field(description="when the sample was taken, ISO 8601 UTC")
    simulated: bool = Field(description="true: the GPUs are simulated")
    system_info: SystemInfo
    gpu_count: int = Field(description="number of visible GPUs, whatever idx selects")
    health: HealthReport = Field(description="verdict on the host: whether all its GPUs are there")
    gpus: list[Gpu] = Field(description="the listed GPUs, in the order of their index")
    summary: GpuSummary
    status: Literal["ok", "degraded"] = Field(description="degraded: some listed GPU could not be read")
    findings: list[HealthFinding] | None = Field(
        default=None, description="only with detail=1: all reasons of the host's verdict, the worst first"
    )
    topology: list[list[str | None]] | None = Field(
        default=None,
        description="only with detail=1: how each GPU of the host is connected with each, by index;"
        " X itself, NV4 by four NVLinks, else by PCIe as nvidia-smi topo says: PSB, PIX, PXB, PHB, NODE, SYS;"
        " null: unknown",
    )
    kernel_log: KernelLog | None = Field(
        default=None,
        description="only with detail=1 and KERNEL_LOG: the kernel log, and the errors of NVSwitches in it",
    )


class StreamError(BaseModel):
    """An event of the stream while there is nothing to show; the stream goes on."""

    status: Literal["error"] = Field(description="always error: there are no metrics")
    error: str = Field(description="one sentence that says what is wrong")
    timestamp: str = Field(description="when the sample was taken, ISO 8601 UTC")


StreamEvent = TypeAliasType(
    "StreamEvent",
    Annotated[GpuMetrics | StreamError, Field(description="What one event of the stream holds.")],
)


class GpuJson:
    """The JSON of `/gpu` from one Snapshot; fields that are not set are left out."""

    def __init__(self, snapshot: Snapshot, thresholds: Thresholds) -> None:
        self._snapshot = snapshot
        self._thresholds = thresholds
        self._gpus: dict[tuple[int, bool], bytes] = {}  # by index, and with or without detail
        self._topology: MadeOnce[bytes] = MadeOnce()
        self._head: bytes | None = None

    def __call__(
        self, driver: DriverReading, selected: Sequence[GpuSample], *, detail: bool
    ) -> Iterator[bytes]:
        """The pieces of the object; `selected` are the GPUs to list."""
        if self._head is None:
            self._head = _before_gpus(self._snapshot, driver)
        yield self._head
        comma = b""
        for gpu in selected:
            piece = self._gpus.get((gpu.index, detail))
            if piece is None:
                piece = self._gpus[gpu.index, detail] = self._gpu(gpu, detail=detail)
            yield comma + piece
            comma = b","
        readings = [gpu.reading for gpu in selected if gpu.reading is not None]
        status = "ok" if all(_is_as_it_should_be(gpu) for gpu in selected) else "degraded"
        # Not a whole model: many streams may each list other GPUs, and that takes three times as long.
        yield b'],"summary":%b,"status":"%b"' % (to_json(_summary_view(readings)), status.encode())
        if not detail:
            yield b"}"
            return
        more = GpuMetrics.model_construct(
            {"findings", "topology"}, findings=findings_view(examine_host(self._snapshot)), topology=[]
        )
        if (log := kernel_log_view(self._snapshot.kernel_log)) is not None:
            more.kernel_log = log
        yield b","
        yield from _without_brace(
            filled(more, topology=self._topology.get("rows", partial(_topology, self._snapshot)))
        )

    def _gpu(self, gpu: GpuSample, *, detail: bool) -> bytes:
        health = examine(self._snapshot)[gpu.index]
        view = gpu_view(gpu, self._snapshot.host_processes, self._thresholds, health)
        if detail:
            view.detail = detail_view(gpu, health)
            remembers = self._snapshot.ledger is not None
            view.detail.unknown, view.detail.failed = unknown_view(view, gpu, remembers=remembers)
        return to_json(view)


def _is_as_it_should_be(gpu: GpuSample) -> bool:
    """Whether it can be read, or is asleep."""
    return gpu.reading is not None or gpu.state is GpuState.ASLEEP


def _topology(snapshot: Snapshot) -> Iterator[bytes]:
    return (_ROW.dump_json(row) for row in topology_matrix(snapshot))


def _before_gpus(snapshot: Snapshot, driver: DriverReading) -> bytes:
    """The part of the object before its list of GPUs, which does not depend on the listed GPUs."""
    head = GpuMetrics.model_construct(
        {"timestamp", "simulated", "system_info", "gpu_count", "health", "gpus"},
        timestamp=iso_utc(snapshot.taken_at),
        simulated=snapshot.simulated,
        system_info=system_info_view(driver, snapshot.host, snapshot.processes),
        gpu_count=len(snapshot.gpus),
        health=health_view(examine_host(snapshot)),
        gpus=[],
    )
    return to_json(head).removesuffix(b"]}")


def _without_brace(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield next(pieces)[1:]
    yield from pieces


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
