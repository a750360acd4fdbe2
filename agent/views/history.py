"""The wire shape of `/history`: columns, for charts. Unknown is null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.rounding import tenths
from agent.views.envelope import success
from agent.views.pieces import filled, to_json
from agent.views.units import mib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import GpuSeries, HistoryReading


class DeviceHistory(BaseModel):
    """One GPU: a value for each moment of `ts`."""

    idx: int = Field(description="NVML index")
    uuid: str | None = Field(description="NVML UUID")
    gpu_utilization: list[int | None] = Field(
        description="percent of time in which a kernel ran; null: not known then"
    )
    memory_used_mb: list[float | None] = Field(description="memory in use, MiB; null: not known then")
    temperature_celsius: list[int | None] = Field(
        description="temperature of the GPU core, degrees Celsius; null: not known then"
    )
    power_watts: list[float | None] = Field(description="power draw, watts; null: not known then")


class HistoryColumns(BaseModel):
    """What is remembered, the oldest first."""

    interval: float | None = Field(
        description="seconds between two moments; the last 5 minutes have every sample; null: no history"
    )
    ts: list[int] = Field(description="moments of all columns, milliseconds since the epoch")
    devices: list[DeviceHistory] = Field(description="columns of each GPU, in the order of their index")


def history_json(history: HistoryReading, interval: float | None) -> Iterator[bytes]:
    """The columns of a history, in the envelope, one GPU after the other."""
    shell = HistoryColumns(interval=interval, ts=[int(at * 1000) for at in history.taken_at], devices=[])
    return filled(success(shell), devices=(to_json(_device(gpu)) for gpu in history.gpus))


def _device(gpu: GpuSeries) -> DeviceHistory:
    return DeviceHistory(
        idx=gpu.index,
        uuid=gpu.uuid,
        gpu_utilization=list(gpu.gpu_utilization_percent),
        memory_used_mb=[tenths(mib(used)) for used in gpu.memory_used_bytes],
        temperature_celsius=list(gpu.temperature_celsius),
        power_watts=[tenths(watts) for watts in gpu.power_watts],
    )
