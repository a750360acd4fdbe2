"""The wire shape of `/history`: columns, for charts. Unknown is null."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, Field

from agent.views.envelope import success
from agent.views.pieces import filled, to_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from agent.readings import GpuSeries, HistoryReading

_MIB, _KIB = 1 / 1024**2, 1 / 1024
NOT_KNOWN = "null: unknown at that time"


class _Column(NamedTuple):
    """The field of a reading that a column is made from, and how."""

    field: str
    scale: float = 1.0  # one shown unit, in the unit of the reading
    whole: bool = False  # else it has a decimal


GPU_COLUMNS: Mapping[str, _Column] = {
    "gpu_utilization": _Column("utilization.gpu_percent", whole=True),
    "memory_used_mb": _Column("memory.used_bytes", _MIB),
    "temperature_celsius": _Column("thermal.gpu_celsius", whole=True),
    "power_watts": _Column("power.usage_watts"),
    "sm_percent": _Column("gpm.sm_activity_percent"),
    "tensor_percent": _Column("gpm.tensor_activity_percent"),
    "graphics_mhz": _Column("clocks.graphics_mhz", whole=True),
    "memory_mhz": _Column("clocks.memory_mhz", whole=True),
    "pcie_tx_mbps": _Column("pcie.tx_kib_per_second", _KIB),
    "pcie_rx_mbps": _Column("pcie.rx_kib_per_second", _KIB),
    "fan_speed_percent": _Column("fans.speed_percent", whole=True),
}
HOST_COLUMNS: Mapping[str, _Column] = {
    "cpu_percent": _Column("cpu_percent"),
    "memory_used_mb": _Column("memory_used_bytes", _MIB),
}
DEFAULT = ("gpu_utilization", "memory_used_mb", "temperature_celsius", "power_watts")
HOST = "host"
FIELDS = (*GPU_COLUMNS, HOST)


class DeviceHistory(BaseModel):
    """One GPU: a value for each moment of `ts`, in the columns that `fields` names."""

    idx: int = Field(description="NVML index")
    uuid: str | None = Field(description="NVML UUID")
    gpu_utilization: list[int | None] = Field(
        default=[], description=f"percent of time in which a kernel ran; {NOT_KNOWN}"
    )
    memory_used_mb: list[float | None] = Field(default=[], description=f"memory in use, MiB; {NOT_KNOWN}")
    temperature_celsius: list[int | None] = Field(
        default=[], description=f"temperature of the GPU core, degrees Celsius; {NOT_KNOWN}"
    )
    power_watts: list[float | None] = Field(default=[], description=f"power draw, watts; {NOT_KNOWN}")
    sm_percent: list[float | None] = Field(
        default=[], description=f"percent of time in which an SM had work, by GPM; {NOT_KNOWN}"
    )
    tensor_percent: list[float | None] = Field(
        default=[], description=f"percent of time in which tensor cores worked, by GPM; {NOT_KNOWN}"
    )
    graphics_mhz: list[int | None] = Field(default=[], description=f"graphics clock, MHz; {NOT_KNOWN}")
    memory_mhz: list[int | None] = Field(default=[], description=f"memory clock, MHz; {NOT_KNOWN}")
    pcie_tx_mbps: list[float | None] = Field(
        default=[], description=f"data leaving the GPU by PCIe, MB/s of 1024 x 1024 bytes; {NOT_KNOWN}"
    )
    pcie_rx_mbps: list[float | None] = Field(
        default=[], description=f"data entering the GPU by PCIe, MB/s of 1024 x 1024 bytes; {NOT_KNOWN}"
    )
    fan_speed_percent: list[int | None] = Field(
        default=[],
        description=f"requested speed of the first fan, percent of its maximum; may exceed 100; {NOT_KNOWN}",
    )


class HostHistory(BaseModel):
    """The host: a value for each moment of `ts`."""

    cpu_percent: list[float | None] = Field(description=f"CPU time of all cores, percent; {NOT_KNOWN}")
    memory_used_mb: list[float | None] = Field(description=f"memory that is not available, MiB; {NOT_KNOWN}")


class HistoryColumns(BaseModel):
    """The samples of the history, the oldest first."""

    interval: float | None = Field(
        description="seconds between two moments; the last 5 minutes have every sample, up to an hour;"
        " null: no history"
    )
    longest_seconds: float | None = Field(
        description="maximum of the parameter seconds: an hour, with STATE_DIR 90 days; null: no history"
    )
    ts: list[int] = Field(description="moments of all columns, milliseconds since the epoch")
    host: HostHistory | None = Field(default=None, description="only where fields names host")
    devices: list[DeviceHistory] = Field(description="columns of each GPU, in the order of their index")


def history_json(
    history: HistoryReading,
    interval: float | None,
    fields: Collection[str] = DEFAULT,
    *,
    longest: float | None = None,
) -> Iterator[bytes]:
    """The columns of these `fields` in the envelope, one GPU after the other.

    `interval`: seconds between two moments; `longest`: seconds that can be asked for.
    """
    shell = HistoryColumns(
        interval=interval,
        longest_seconds=longest,
        ts=[int(at * 1000) for at in history.taken_at],
        devices=[],
    )
    if HOST in fields:
        shell.host = HostHistory.model_construct(None, **_columns(HOST_COLUMNS, history.host))
    wanted = {name: column for name, column in GPU_COLUMNS.items() if name in fields}
    return filled(success(shell), devices=(to_json(_device(gpu, wanted)) for gpu in history.gpus))


def _device(gpu: GpuSeries, wanted: Mapping[str, _Column]) -> DeviceHistory:
    # Not validated, because of the cost: 128 GPUs have half a million values.
    return DeviceHistory.model_construct(None, idx=gpu.index, uuid=gpu.uuid, **_columns(wanted, gpu.columns))


def _columns(
    wanted: Mapping[str, _Column], known: Mapping[str, Sequence[float | None]]
) -> dict[str, list[Any]]:
    return {name: _shown(known.get(column.field, ()), column) for name, column in wanted.items()}


def _shown(values: Sequence[float | None], column: _Column) -> list[Any]:
    """Rounded to whole numbers, or to a decimal as `tenths` does; much faster than value by value."""
    if column.whole:
        return [None if value is None else floor(value + 0.5) for value in values]
    scale = column.scale * 10
    return [None if value is None else floor(value * scale + 0.5) / 10 for value in values]
