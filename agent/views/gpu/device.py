"""One GPU of the rich API. An unknown value is null, never 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive import pcie, throttling
from agent.derive.activity import Activity, Thresholds, judge
from agent.derive.rounding import percent, tenths, whole
from agent.readings import GpuReading, GpuSample, GpuState
from agent.views.gpu.detail_shape import GpuDetail
from agent.views.health import GpuHealth, health_view
from agent.views.units import iso_utc, mib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.derive.activity import Verdict
    from agent.derive.health import Health
    from agent.readings import HostProcess

TOP_PROCESSES = 5
# Characters of a name among the top processes: every event of every stream repeats them, and a GPU has 2 KiB.
MAX_NAME = 13


class GpuMemory(BaseModel):
    """NVML: nvmlDeviceGetMemoryInfo."""

    total_mb: float | None = Field(description="MiB; null where the GPU shares the host's memory")
    used_mb: float | None = Field(description="MiB, without what the driver reserves")
    free_mb: float | None = Field(description="MiB")
    utilization_percent: float | None = Field(description="used of total, percent")
    bandwidth_utilization_percent: float | None = Field(
        description="DRAM activity from GPM (Hopper and newer), else equal to memory_percent"
    )


class GpuUtilization(BaseModel):
    """NVML: nvmlDeviceGetUtilizationRates, GPM."""

    gpu_percent: int | None = Field(description="percent of time in which a kernel ran")
    memory_percent: int | None = Field(description="percent of time in which DRAM was read or written")
    sm_percent: int | None = Field(
        description="SM activity from GPM (Hopper and newer), else equal to gpu_percent"
    )


class GpuPower(BaseModel):
    """NVML: nvmlDeviceGetPowerUsage, nvmlDeviceGetPowerManagementLimit."""

    usage_watts: float | None = Field(description="draw, watts")
    limit_watts: float | None = Field(description="power management limit, watts")
    efficiency_percent: int | None = Field(description="draw of limit, percent")


class GpuClocks(BaseModel):
    """NVML: nvmlDeviceGetClockInfo, nvmlDeviceGetMaxClockInfo."""

    graphics_mhz: int | None = Field(description="MHz")
    memory_mhz: int | None = Field(description="MHz")
    max_graphics_mhz: int | None = Field(description="MHz")
    max_memory_mhz: int | None = Field(description="MHz")
    efficiency_percent: int | None = Field(description="graphics clock of its maximum, percent")


class GpuPcie(BaseModel):
    """NVML: nvmlDeviceGet{Max,Curr}PcieLink{Generation,Width}, field values 197 and 198."""

    generation: int | None = Field(description="the highest that this GPU in this slot supports")
    width: int | None = Field(description="lanes: the most that this GPU in this slot supports")
    current_generation: int | None = Field(description="now; drops when idle")
    current_width: int | None = Field(description="lanes in use now")
    tx_throughput_mbps: float | None = Field(description="leaving the GPU, MB/s of 1024 x 1024 bytes")
    rx_throughput_mbps: float | None = Field(description="entering the GPU, MB/s of 1024 x 1024 bytes")
    total_throughput_mbps: float | None = Field(description="both directions, MB/s of 1024 x 1024 bytes")
    max_bandwidth_mbps: float | None = Field(description="of generation and width in one direction, MB/s")
    utilization_percent: int | None = Field(description="total of max, at most 100 percent")


class GpuThrottling(BaseModel):
    """NVML: nvmlDeviceGetCurrentClocksEventReasons."""

    reasons: int | None = Field(description="NVML's clocks event reasons, bitmask")
    reason_names: list[str] | None = Field(description="the bits in words")
    is_throttled: bool | None = Field(description="a power or thermal slowdown is in force")
    bottlenecks: list[str] | None = Field(description="what limits this GPU")


class DebugInfo(BaseModel):
    """The comparisons behind `status`, with the thresholds in force."""

    gpu_util_threshold: str | None = Field(description="GPU utilization")
    power_threshold: str | None = Field(description="power")
    memory_util_threshold: str | None = Field(description="memory in use")
    clock_threshold: str | None = Field(description="graphics clock")
    temp_threshold: str | None = Field(description="temperature")
    is_active: bool | None = Field(description="whether any of them makes the GPU active")


class TopProcess(BaseModel):
    """A process and the memory it holds."""

    pid: int = Field(description="process id")
    name: str | None = Field(description="program")
    username: str | None = Field(description="owner")
    memory_mb: float | None = Field(description="MiB")
    memory_percent: float | None = Field(description="of all there is, percent")


class Gpu(BaseModel):
    """One GPU at one moment."""

    id: int = Field(description="NVML index")
    uuid: str | None = Field(description="NVML UUID")
    timestamp: str | None = Field(description="when this GPU was sampled, ISO 8601 UTC")
    name: str | None = Field(description="product name")
    state: GpuState = Field(description="how far the values can be trusted")
    age_ms: int | None = Field(description="age of the last reading when this was assembled, milliseconds")
    error: str | None = Field(description="why the GPU could not be read, else null")
    memory: GpuMemory
    utilization: GpuUtilization
    temperature_celsius: int | None = Field(description="GPU core, degrees Celsius")
    power: GpuPower
    clocks: GpuClocks
    pcie: GpuPcie
    throttling: GpuThrottling
    fan_speed_rpm: int | None = Field(description="first fan, revolutions per minute")
    fan_speed_percent: int | None = Field(description="first fan, percent of its maximum; may exceed 100")
    status: Activity = Field(description="unavailable: the GPU could not be read")
    health: GpuHealth
    debug_info: DebugInfo
    top_processes: list[TopProcess] | None = Field(description="up to five, by GPU memory")
    detail: GpuDetail | None = Field(default=None, description="only with detail=1: all else that is known")


def gpu_view(
    gpu: GpuSample, described: Mapping[int, HostProcess], thresholds: Thresholds, health: Health
) -> Gpu:
    """The wire shape of one GPU; `described` are the host's processes by pid."""
    identity = gpu.identity
    reading = gpu.values
    best_bandwidth = pcie.max_bandwidth_mbps(reading.pcie.max_generation, reading.pcie.max_width)
    verdict = judge(gpu.reading, thresholds)
    return Gpu(
        id=gpu.index,
        uuid=identity.uuid,
        timestamp=None if gpu.sampled_at is None else iso_utc(gpu.sampled_at),
        name=identity.name,
        state=gpu.state,
        age_ms=gpu.age_ms,
        error=gpu.error,
        memory=GpuMemory(
            total_mb=tenths(mib(reading.memory.total_bytes)),
            used_mb=tenths(mib(reading.memory.used_bytes)),
            free_mb=tenths(mib(reading.memory.free_bytes)),
            utilization_percent=tenths(percent(reading.memory.used_bytes, reading.memory.total_bytes)),
            bandwidth_utilization_percent=tenths(
                _gpm_or(
                    reading, reading.gpm.dram_activity_percent, reading.utilization.memory_controller_percent
                )
            ),
        ),
        utilization=GpuUtilization(
            gpu_percent=reading.utilization.gpu_percent,
            memory_percent=reading.utilization.memory_controller_percent,
            sm_percent=whole(
                _gpm_or(reading, reading.gpm.sm_activity_percent, reading.utilization.gpu_percent)
            ),
        ),
        temperature_celsius=reading.thermal.gpu_celsius,
        power=GpuPower(
            usage_watts=tenths(reading.power.usage_watts),
            limit_watts=tenths(reading.power.limit_watts),
            efficiency_percent=whole(percent(reading.power.usage_watts, reading.power.limit_watts)),
        ),
        clocks=GpuClocks(
            graphics_mhz=reading.clocks.graphics_mhz,
            memory_mhz=reading.clocks.memory_mhz,
            max_graphics_mhz=reading.clocks.max_graphics_mhz,
            max_memory_mhz=reading.clocks.max_memory_mhz,
            efficiency_percent=whole(percent(reading.clocks.graphics_mhz, reading.clocks.max_graphics_mhz)),
        ),
        pcie=GpuPcie(
            generation=reading.pcie.max_generation,
            width=reading.pcie.max_width,
            current_generation=reading.pcie.generation,
            current_width=reading.pcie.width,
            tx_throughput_mbps=tenths(pcie.mbps(reading.pcie.tx_kib_per_second)),
            rx_throughput_mbps=tenths(pcie.mbps(reading.pcie.rx_kib_per_second)),
            total_throughput_mbps=tenths(pcie.total_mbps(reading)),
            max_bandwidth_mbps=best_bandwidth,
            utilization_percent=whole(pcie.utilization_percent(reading)),
        ),
        throttling=GpuThrottling(
            reasons=reading.clocks.event_reasons,
            reason_names=throttling.reason_names(reading.clocks.event_reasons),
            is_throttled=throttling.is_throttled(reading.clocks.event_reasons),
            bottlenecks=throttling.bottlenecks(gpu.reading) if gpu.reading else None,
        ),
        fan_speed_rpm=reading.fans.speed_rpm,
        fan_speed_percent=reading.fans.speed_percent,
        status=verdict.activity,
        health=health_view(health),
        debug_info=_debug_info(verdict),
        top_processes=_top_processes(reading, described),
    )


def _gpm_or(reading: GpuReading, gpm: float | None, rate: int | None) -> float | None:
    """GPM's value where the GPU has GPM, known or not: the coarser rate must not stand in now and then."""
    return gpm if reading.gpm.supported else rate


def short(name: str | None) -> str | None:
    """At most MAX_NAME characters."""
    return name if name is None or len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


def _debug_info(verdict: Verdict) -> DebugInfo:
    return DebugInfo(
        gpu_util_threshold=verdict.gpu_utilization.words,
        power_threshold=verdict.power.words,
        memory_util_threshold=verdict.memory_utilization.words,
        clock_threshold=verdict.clock.words,
        temp_threshold=verdict.temperature.words,
        is_active=None if verdict.activity is Activity.UNAVAILABLE else verdict.activity is Activity.ACTIVE,
    )


def _top_processes(reading: GpuReading, described: Mapping[int, HostProcess]) -> list[TopProcess] | None:
    if reading.processes is None:
        return None
    largest = sorted(reading.processes, key=lambda process: process.gpu_memory_bytes or 0, reverse=True)
    return [
        TopProcess(
            pid=process.pid,
            name=short(host.name) if host else None,
            username=short(host.username) if host else None,
            memory_mb=tenths(mib(process.gpu_memory_bytes)),
            memory_percent=tenths(percent(process.gpu_memory_bytes, reading.memory.total_bytes)),
        )
        for process in largest[:TOP_PROCESSES]
        for host in [described.get(process.pid)]
    ]
