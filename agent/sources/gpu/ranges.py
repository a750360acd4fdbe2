"""The possible range of each number of a GPU.

The ranges are wide, because a refused value is not shown: power of three times the limit, a fan above 100 %
and a cold GPU below 0 °C are real. If the GPU reports a limit of its own, that limit is used, with room for
rounding and spikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.readings import PACKET_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.readings import Clocks, GpuReading


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that one field can hold."""

    function: str  # of NVML, that reports it
    unit: str
    most: float
    least: float = 0
    only: frozenset[int] | None = None  # of those between, where not every one is possible
    limit: Callable[[GpuReading], float | None] | None = None  # less than `most`, where the GPU reports it
    is_essential: bool = False  # without it, what holds it means nothing

    @property
    def is_plain(self) -> bool:
        """Whether every number between the least and the most is possible."""
        return self.only is None

    def admits(self, value: float, most: float) -> bool:
        """Whether the value is possible, where `most` is the limit now. NaN never is."""
        return self.least <= value <= most and (self.only is None or value in self.only)

    def can_be(self, value: float) -> bool:
        """Whether the value is possible on any GPU."""
        return self.admits(value, self.most)

    def most_of(self, reading: GpuReading) -> float:
        """The most that is possible on the GPU of this reading."""
        limit = None if self.limit is None else self.limit(reading)
        return self.most if limit is None else min(self.most, limit)

    def words(self, value: Any) -> str:
        """The value as text: "4,294,967 W"."""
        match value:
            case int():
                text = f"{value:,}"
            case float():
                text = f"{value:,.10g}"
            case _:
                text = str(value)
        return f"{text} {self.unit}".rstrip()


class RangeOfEach(Range):
    """The numbers that one field can hold several of."""

    is_plain = False

    def admits(self, value: Iterable[float], most: float) -> bool:  # type: ignore[override]  # of the field
        return all(Range.admits(self, one, most) for one in value)


_BYTES = 1 << 44  # 16 TiB; the largest GPUs of 2026 have less than 1 TiB
_COUNT = (1 << 63) - 1
_BITMASK = (1 << 64) - 1  # the highest bit was a reason up to R384: an unknown one
_ROWS = 1_000_000  # pages, rows or banks
_WATTS = 20_000.0
_MHZ = 100_000
_SLOWEST_LINK = 1_000  # MB/s; the first NVLinks had twenty times that, and less is another unit
_MICROSECONDS = 3_600_000_000  # an hour
_WIDTHS = frozenset({1, 2, 4, 8, 12, 16, 32})


def _memory_limit(reading: GpuReading) -> float | None:
    """Rounding, and memory that is counted twice."""
    total = reading.memory.total_bytes
    return total * 1.1 + (64 << 20) if total is not None and total > 0 else None


def _memory_part_limit(reading: GpuReading) -> float | None:
    """Part of the same struct as the total: where the total is impossible, so are the others."""
    total = reading.memory.total_bytes
    return -1 if total is not None and not 0 <= total <= _BYTES else _memory_limit(reading)


def _bar1_limit(reading: GpuReading) -> float | None:
    total = reading.memory.bar1_total_bytes
    return total if total is not None and total > 0 else None


def _power_limit(reading: GpuReading) -> float | None:
    """The greatest of the limits: one that is set low does not hold at once."""
    power = reading.power
    limit = max(power.limit_watts or 0, power.enforced_limit_watts or 0, power.default_limit_watts or 0)
    return 3 * limit + 100 if limit > 0 else None


def _clock_limit(maximum: Callable[[Clocks], int | None]) -> Callable[[GpuReading], float | None]:
    """Overclocked GPUs run above the maximum that they report."""

    def limit(reading: GpuReading) -> float | None:
        mhz = maximum(reading.clocks)
        return 2 * mhz + 1000 if mhz is not None and mhz > 0 else None

    return limit


def _pcie_limit(reading: GpuReading) -> float | None:
    """Four times the link: a lane of generation 1 carries 250 MB/s, each generation twice that before."""
    generation, width = reading.pcie.max_generation, reading.pcie.max_width
    if generation is None or width is None or not 1 <= generation <= 7 or width not in _WIDTHS:
        return None
    return width * 2.0 ** (20 + generation - 1)


def _nvlink_limit(reading: GpuReading) -> float | None:
    """The speed of the fastest link, which carries less than that: a part of it is for the protocol."""
    speeds = [link.speed_megabytes_per_second or 0 for link in reading.nvlink.links or ()]
    fastest = max(speeds, default=0)
    return 1.1 * fastest * 1_000_000 / 1024 if fastest >= _SLOWEST_LINK else None


def _module_power_limit(reading: GpuReading) -> float | None:
    limit = reading.power.module_limit_watts
    return 3 * limit + 100 if limit is not None and limit > 0 else None


def _percent(function: str) -> Range:
    return Range(function, "%", 100)


def _celsius(function: str) -> Range:
    return Range(function, "°C", 200, least=-100)


def _margin(function: str) -> Range:
    """Between two temperatures that can be."""
    return Range(function, "°C", 300, least=-300)


def _bytes(function: str, limit: Callable[[GpuReading], float | None] | None = None) -> Range:
    return Range(function, "bytes", _BYTES, limit=limit)


def _process(listed: str) -> dict[str, Range]:
    function = "nvmlDeviceGetProcessUtilization"
    return {
        f"{listed}.pid": Range(
            "nvmlDeviceGetComputeRunningProcesses", "as a pid", (1 << 31) - 1, is_essential=True
        ),
        f"{listed}.gpu_memory_bytes": _bytes("nvmlDeviceGetComputeRunningProcesses", _memory_limit),
        f"{listed}.sm_utilization_percent": _percent(function),
        f"{listed}.memory_utilization_percent": _percent(function),
        f"{listed}.encoder_utilization_percent": _percent(function),
        f"{listed}.decoder_utilization_percent": _percent(function),
    }


_MEMORY, _BAR1 = "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetBAR1MemoryInfo"
_RATES, _GPM = "nvmlDeviceGetUtilizationRates", "nvmlGpmMetricsGet"
_CLOCK, _MAX_CLOCK = "nvmlDeviceGetClockInfo", "nvmlDeviceGetMaxClockInfo"
_THRESHOLD, _FIELDS = "nvmlDeviceGetTemperatureThreshold", "nvmlDeviceGetFieldValues"
_ECC, _RETIRED = "nvmlDeviceGetTotalEccErrors", "nvmlDeviceGetRetiredPages"
_REMAPPED, _BANKS = "nvmlDeviceGetRemappedRows", "nvmlDeviceGetRowRemapperHistogram"
_LINK_ERRORS, _FABRIC = "nvmlDeviceGetNvLinkErrorCounter", "nvmlDeviceGetGpuFabricInfoV"
_ENCODER, _CAPTURE = "nvmlDeviceGetEncoderStats", "nvmlDeviceGetFBCStats"
_LIMITS = "nvmlDeviceGetPowerManagementLimitConstraints"
_SRAM, _PLACE = "nvmlDeviceGetSramEccErrorStatus", "nvmlDeviceGetMemoryErrorCounter"

# By the field of GpuReading; of what is in a list, by the name of the list and of the field of an element.
RANGES: Mapping[str, Range] = {
    "identity.compute_capability": RangeOfEach("nvmlDeviceGetCudaComputeCapability", "", 999),
    "identity.architecture": Range("nvmlDeviceGetArchitecture", "as an architecture", 999),
    "memory.total_bytes": _bytes(_MEMORY),
    "memory.used_bytes": _bytes(_MEMORY, _memory_part_limit),
    "memory.free_bytes": _bytes(_MEMORY, _memory_part_limit),
    "memory.reserved_bytes": _bytes(_MEMORY, _memory_part_limit),
    "memory.bar1_total_bytes": _bytes(_BAR1),
    "memory.bar1_used_bytes": _bytes(_BAR1, _bar1_limit),
    "utilization.gpu_percent": _percent(_RATES),
    "utilization.memory_controller_percent": _percent(_RATES),
    "gpm.sm_activity_percent": _percent(_GPM),
    "gpm.sm_occupancy_percent": _percent(_GPM),
    "gpm.tensor_activity_percent": _percent(_GPM),
    "gpm.dram_activity_percent": _percent(_GPM),
    "engines.encoder_percent": _percent("nvmlDeviceGetEncoderUtilization"),
    "engines.decoder_percent": _percent("nvmlDeviceGetDecoderUtilization"),
    "engines.jpeg_percent": _percent("nvmlDeviceGetJpgUtilization"),
    "engines.ofa_percent": _percent("nvmlDeviceGetOfaUtilization"),
    "engines.encoder_sessions": Range(_ENCODER, "sessions", 100_000),
    "engines.encoder_fps": Range(_ENCODER, "frames per second", 10_000_000),
    "engines.encoder_latency_microseconds": Range(_ENCODER, "µs", _MICROSECONDS),
    "engines.capture_sessions": Range(_CAPTURE, "sessions", 100_000),
    "engines.capture_fps": Range(_CAPTURE, "frames per second", 10_000_000),
    "engines.capture_latency_microseconds": Range(_CAPTURE, "µs", _MICROSECONDS),
    "power.usage_watts": Range("nvmlDeviceGetPowerUsage", "W", _WATTS, limit=_power_limit),
    "power.average_watts": Range(_FIELDS, "W", _WATTS, limit=_power_limit),
    "power.instant_watts": Range(_FIELDS, "W", _WATTS, limit=_power_limit),
    "power.limit_watts": Range("nvmlDeviceGetPowerManagementLimit", "W", _WATTS),
    "power.enforced_limit_watts": Range("nvmlDeviceGetEnforcedPowerLimit", "W", _WATTS),
    "power.default_limit_watts": Range("nvmlDeviceGetPowerManagementDefaultLimit", "W", _WATTS),
    "power.min_limit_watts": Range(_LIMITS, "W", _WATTS),
    "power.max_limit_watts": Range(_LIMITS, "W", _WATTS),
    "power.memory_average_watts": Range(_FIELDS, "W", _WATTS, limit=_power_limit),
    "power.memory_instant_watts": Range(_FIELDS, "W", _WATTS, limit=_power_limit),
    "power.module_average_watts": Range(_FIELDS, "W", _WATTS, limit=_module_power_limit),
    "power.module_instant_watts": Range(_FIELDS, "W", _WATTS, limit=_module_power_limit),
    "power.module_limit_watts": Range(_FIELDS, "W", _WATTS),
    "power.energy_joules": Range("nvmlDeviceGetTotalEnergyConsumption", "J", _COUNT / 1000),
    "clocks.graphics_mhz": Range(_CLOCK, "MHz", _MHZ, limit=_clock_limit(lambda of: of.max_graphics_mhz)),
    "clocks.memory_mhz": Range(_CLOCK, "MHz", _MHZ, limit=_clock_limit(lambda of: of.max_memory_mhz)),
    "clocks.sm_mhz": Range(_CLOCK, "MHz", _MHZ, limit=_clock_limit(lambda of: of.max_sm_mhz)),
    "clocks.video_mhz": Range(_CLOCK, "MHz", _MHZ, limit=_clock_limit(lambda of: of.max_video_mhz)),
    "clocks.max_graphics_mhz": Range(_MAX_CLOCK, "MHz", _MHZ),
    "clocks.max_memory_mhz": Range(_MAX_CLOCK, "MHz", _MHZ),
    "clocks.max_sm_mhz": Range(_MAX_CLOCK, "MHz", _MHZ),
    "clocks.max_video_mhz": Range(_MAX_CLOCK, "MHz", _MHZ),
    "clocks.event_reasons": Range("nvmlDeviceGetCurrentClocksEventReasons", "as a bitmask", _BITMASK),
    "clocks.supported_event_reasons": Range(
        "nvmlDeviceGetSupportedClocksEventReasons", "as a bitmask", _BITMASK
    ),
    **{
        f"throttling.{name}_seconds": Range(_FIELDS, "s", _COUNT / 1e9)
        for name in (
            *("power_cap", "sync_boost", "software_thermal", "hardware_thermal", "power_brake", "thermal"),
        )
    },
    "thermal.gpu_celsius": _celsius("nvmlDeviceGetTemperature"),
    "thermal.memory_celsius": _celsius(_FIELDS),
    "thermal.shutdown_celsius": _celsius(_THRESHOLD),
    "thermal.slowdown_celsius": _celsius(_THRESHOLD),
    "thermal.max_operating_celsius": _celsius(_THRESHOLD),
    "thermal.memory_max_celsius": _celsius(_THRESHOLD),
    "thermal.margin_celsius": _margin("nvmlDeviceGetMarginTemperature"),
    "thermal.shutdown_margin_celsius": _margin(_FIELDS),
    "thermal.slowdown_margin_celsius": _margin(_FIELDS),
    "thermal.memory_max_margin_celsius": _margin(_FIELDS),
    "thermal.max_operating_margin_celsius": _margin(_FIELDS),
    "fans.count": Range("nvmlDeviceGetNumFans", "fans", 64),
    "fans.speed_percent": Range("nvmlDeviceGetFanSpeed", "%", 500),
    "fans.speed_rpm": Range("nvmlDeviceGetFanSpeedRPM", "rpm", 100_000),
    "fans.gpu_celsius": _celsius("nvmlDeviceGetTemperature"),
    "fans.each.speed_percent": Range("nvmlDeviceGetFanSpeed_v2", "%", 500),
    "fans.each.speed_rpm": Range("nvmlDeviceGetFanSpeedRPM", "rpm", 100_000),
    "pcie.generation": Range("nvmlDeviceGetCurrPcieLinkGeneration", "as a generation", 7, least=1),
    "pcie.width": Range("nvmlDeviceGetCurrPcieLinkWidth", "lanes", 32, only=_WIDTHS),
    "pcie.max_generation": Range("nvmlDeviceGetMaxPcieLinkGeneration", "as a generation", 7, least=1),
    "pcie.max_width": Range("nvmlDeviceGetMaxPcieLinkWidth", "lanes", 32, only=_WIDTHS),
    "pcie.card_generation": Range("nvmlDeviceGetGpuMaxPcieLinkGeneration", "as a generation", 7, least=1),
    "pcie.port_generation": Range("max_link_speed in /sys", "as a generation", 7, least=1),
    "pcie.port_width": Range("max_link_width in /sys", "lanes", 32, only=_WIDTHS),
    "pcie.widest_under_load": Range("nvmlDeviceGetCurrPcieLinkWidth", "lanes", 32, only=_WIDTHS),
    "pcie.samples.generation": Range("nvmlDeviceGetCurrPcieLinkGeneration", "as a generation", 7, least=1),
    "pcie.samples.width": Range("nvmlDeviceGetCurrPcieLinkWidth", "lanes", 32, only=_WIDTHS),
    "pcie.samples.performance_state": Range("nvmlDeviceGetPerformanceState", "as a P-state", 15),
    "pcie.samples.gpu_percent": _percent(_RATES),
    "pcie.tx_kib_per_second": Range("nvmlDeviceGetPcieThroughput", "KiB/s", 2.0**30, limit=_pcie_limit),
    "pcie.rx_kib_per_second": Range("nvmlDeviceGetPcieThroughput", "KiB/s", 2.0**30, limit=_pcie_limit),
    "pcie.replays": Range("nvmlDeviceGetPcieReplayCounter", "replays", _COUNT),
    "nvlink.links.version": Range("nvmlDeviceGetNvLinkVersion", "as a version", 63),
    "nvlink.links.speed_megabytes_per_second": Range(_FIELDS, "MB/s", 10_000_000),
    # 1 TiB/s; a link of NVLink 5 carries 50 GB/s in each direction.
    "nvlink.links.tx_kib_per_second": Range(_FIELDS, "KiB/s", 2.0**30, limit=_nvlink_limit),
    "nvlink.links.rx_kib_per_second": Range(_FIELDS, "KiB/s", 2.0**30, limit=_nvlink_limit),
    "nvlink.links.replay_errors": Range(_LINK_ERRORS, "errors", _COUNT),
    "nvlink.links.recovery_errors": Range(_LINK_ERRORS, "errors", _COUNT),
    "nvlink.links.crc_flit_errors": Range(_LINK_ERRORS, "errors", _COUNT),
    "nvlink.links.crc_data_errors": Range(_LINK_ERRORS, "errors", _COUNT),
    "fabric.state": Range(_FABRIC, "as a state", 255),
    "fabric.status": Range(_FABRIC, "as a return code", 999),
    "fabric.clique_id": Range(_FABRIC, "as an id", (1 << 32) - 1),
    "fabric.health_summary": Range(_FABRIC, "as a summary", 255),
    "fabric.incorrect_configuration": Range(_FABRIC, "as a fault", 15),
    **{f"nvlink.links.{name}": Range(_FIELDS, "errors", _COUNT) for name in PACKET_ERRORS},
    "memory_errors.corrected_volatile": Range(_ECC, "errors", _COUNT),
    "memory_errors.uncorrected_volatile": Range(_ECC, "errors", _COUNT),
    "memory_errors.corrected_aggregate": Range(_ECC, "errors", _COUNT),
    "memory_errors.uncorrected_aggregate": Range(_ECC, "errors", _COUNT),
    **{
        f"memory_errors.sram_{kind}_{since}": Range(_SRAM, "errors", _COUNT)
        for kind in ("corrected", "uncorrected", "parity", "secded")
        for since in ("volatile", "aggregate")
    },
    **{
        f"memory_errors.sram_sources.{part}": Range(_SRAM, "errors", _COUNT, is_essential=True)
        for part in ("l2", "sm", "microcontroller", "pcie", "other")
    },
    **{
        f"memory_errors.dram_{kind}_{since}": Range(_PLACE, "errors", _COUNT)
        for kind in ("corrected", "uncorrected")
        for since in ("volatile", "aggregate")
    },
    "memory_errors.retired_pages_corrected": Range(_RETIRED, "pages", _ROWS),
    "memory_errors.retired_pages_uncorrected": Range(_RETIRED, "pages", _ROWS),
    "memory_errors.remapped_rows_corrected": Range(_REMAPPED, "rows", _ROWS),
    "memory_errors.remapped_rows_uncorrected": Range(_REMAPPED, "rows", _ROWS),
    **{
        f"memory_errors.remap_banks.{spare}": Range(_BANKS, "banks", _ROWS, is_essential=True)
        for spare in ("all", "most", "some", "few", "none")
    },
    "modes.performance_state": Range("nvmlDeviceGetPerformanceState", "as a P-state", 15),
    "modes.compute_mode": Range("nvmlDeviceGetComputeMode", "as a mode", 255),
    "modes.virtualization_mode": Range("nvmlDeviceGetVirtualizationMode", "as a mode", 255),
    "modes.addressing_mode": Range("nvmlDeviceGetAddressingMode", "as a mode", 255),
    "recovery.action": Range(_FIELDS, "as an action", 255),
    **_process("processes"),
    "mig.instances.gpu_instance_id": Range("nvmlDeviceGetGpuInstanceId", "as an id", 1 << 20),
    "mig.instances.compute_instance_id": Range("nvmlDeviceGetComputeInstanceId", "as an id", 1 << 20),
    "mig.instances.memory_total_bytes": _bytes(_MEMORY, _memory_limit),
    "mig.instances.memory_used_bytes": _bytes(_MEMORY, _memory_limit),
    "mig.instances.memory_free_bytes": _bytes(_MEMORY, _memory_limit),
    **_process("mig.instances.processes"),
}
