"""One GPU of `/gpu`, combined from its subjects. An unknown value is null, never 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.activity import Activity, ActivityJudgement, Thresholds, judge_activity
from agent.readings import GpuSample, GpuState
from agent.views.gpu.activity import DebugInfo, debug_info_view
from agent.views.gpu.clocks import GpuClocks, GpuThrottling, clocks_view, throttling_view
from agent.views.gpu.detail import GpuDetail
from agent.views.gpu.memory import GpuMemory, memory_view
from agent.views.gpu.mig import MigSlice, mig_slices_view
from agent.views.gpu.pcie import GpuPcie, pcie_view
from agent.views.gpu.power import GpuPower, power_view
from agent.views.gpu.processes import GpuTopProcess, top_processes_view
from agent.views.gpu.unknown import failed_view
from agent.views.gpu.utilization import GpuUtilization, utilization_view
from agent.views.health import HealthReport, health_view
from agent.views.units import iso_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.derive.health import Health
    from agent.readings import HostProcess


class Gpu(BaseModel):
    """One GPU at one moment."""

    id: int = Field(description="NVML index")
    uuid: str | None = Field(description="NVML UUID")
    timestamp: str | None = Field(description="when this GPU was sampled, ISO 8601 UTC")
    name: str | None = Field(description="product name")
    state: GpuState = Field(description="whether the values are live, old or missing")
    age_ms: int | None = Field(description="age of the last reading when the answer was made, milliseconds")
    error: str | None = Field(description="why the GPU could not be read, else null")
    memory: GpuMemory
    utilization: GpuUtilization
    temperature_celsius: int | None = Field(description="temperature of the GPU core, degrees Celsius")
    power: GpuPower
    clocks: GpuClocks
    pcie: GpuPcie
    throttling: GpuThrottling
    fan_speed_rpm: int | None = Field(description="speed of the first fan, revolutions per minute")
    fan_speed_percent: int | None = Field(
        description="requested speed of the first fan, percent of its maximum; may exceed 100"
    )
    status: Activity = Field(description="unavailable: the GPU could not be read")
    health: HealthReport
    debug_info: DebugInfo
    top_processes: list[GpuTopProcess] | None = Field(
        description="up to five, by GPU memory; null: the driver does not list processes"
    )
    mig: list[MigSlice] | None = Field(
        default=[],
        description="only for a GPU in MIG mode: its instances; null: the driver does not report them",
    )
    failed: dict[str, str] | None = Field(
        default=None,
        description="only where the driver fails to report some of these values: its error in words, by the"
        ' name of the value: {"power.usage_watts": "Unknown Error"}',
    )
    detail: GpuDetail | None = Field(
        default=None, description="only with detail=1: everything else that is known"
    )


def gpu_view(
    gpu: GpuSample, described: Mapping[int, HostProcess], thresholds: Thresholds, health: Health
) -> Gpu:
    """The wire shape of one GPU; `described` are the host's processes by pid."""
    identity, reading = gpu.identity, gpu.values
    judgement = judge_activity(gpu.reading, thresholds)
    if gpu.state is GpuState.ASLEEP:  # the kernel suspends a GPU only while nobody uses it
        judgement = ActivityJudgement(Activity.IDLE)
    view = Gpu(
        id=gpu.index,
        uuid=identity.uuid,
        timestamp=None if gpu.sampled_at is None else iso_utc(gpu.sampled_at),
        name=identity.name,
        state=gpu.state,
        age_ms=gpu.age_ms,
        error=gpu.error,
        memory=memory_view(reading),
        utilization=utilization_view(reading),
        temperature_celsius=reading.thermal.gpu_celsius,
        power=power_view(reading.power),
        clocks=clocks_view(reading.clocks),
        pcie=pcie_view(reading),
        throttling=throttling_view(gpu),
        fan_speed_rpm=reading.fans.speed_rpm,
        fan_speed_percent=reading.fans.speed_percent,
        status=judgement.activity,
        health=health_view(health),
        debug_info=debug_info_view(judgement),
        top_processes=top_processes_view(reading, described),
    )
    if reading.mig.enabled:  # fields that are not set are left out
        view.mig = mig_slices_view(reading)
    if failed := failed_view(view, gpu):
        view.failed = failed
    return view
