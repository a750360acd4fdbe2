"""For each nullable field of `/gpu?detail=1`, the fields of the reading that it is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Values that depend on earlier samples and may not have been observed yet, by their names in the answer. In a
# virtual machine, or if the port is unknown, the expected lanes of a link are the most that were seen under
# load. XIDs are unknown until the driver reports them, and while a call for another GPU delays that.
REMEMBERED = frozenset(
    {
        "detail.pcie.widest_under_load",
        "pcie.width",
        "pcie.max_bandwidth_mbps",
        "pcie.utilization_percent",
        "detail.xids",
    }
)
# Fields of a reading that are the change between two samples, or are only read after the first sample.
NEED_TWO_SAMPLES = frozenset(
    {
        "gpm.sm_activity_percent",
        "gpm.sm_occupancy_percent",
        "gpm.tensor_activity_percent",
        "gpm.dram_activity_percent",
        "pcie.tx_kib_per_second",
        "pcie.rx_kib_per_second",
        "nvlink.links",
        "inforom.is_valid",
    }
)

_LINK = ("pcie.max_generation", "pcie.max_width")
_THROUGHPUT = ("pcie.tx_kib_per_second", "pcie.rx_kib_per_second")
_MEMORY = ("memory.used_bytes", "memory.total_bytes")
_POWER = ("power.usage_watts", "power.limit_watts")
_CLOCK = ("clocks.graphics_mhz", "clocks.max_graphics_mhz")


def _alike(path: str, subject: str, *names: str) -> dict[str, tuple[str, ...]]:
    """Fields that have the same name in the reading."""
    return {f"{path}.{name}": (f"{subject}.{name}",) for name in names}


FEEDS: Mapping[str, tuple[str, ...]] = {
    "uuid": ("identity.uuid",),
    "timestamp": (),
    "name": ("identity.name",),
    "age_ms": (),
    "memory.total_mb": ("memory.total_bytes",),
    "memory.used_mb": ("memory.used_bytes",),
    "memory.free_mb": ("memory.free_bytes",),
    "memory.utilization_percent": _MEMORY,
    "memory.bandwidth_utilization_percent": (
        "gpm.dram_activity_percent",
        "utilization.memory_controller_percent",
    ),
    "utilization.gpu_percent": ("utilization.gpu_percent",),
    "utilization.memory_percent": ("utilization.memory_controller_percent",),
    "utilization.sm_percent": ("gpm.sm_activity_percent", "utilization.gpu_percent"),
    "temperature_celsius": ("thermal.gpu_celsius",),
    **_alike("power", "power", "usage_watts", "limit_watts"),
    "power.budget_watts": _POWER,
    "power.efficiency_percent": _POWER,
    **_alike("clocks", "clocks", "graphics_mhz", "memory_mhz", "max_graphics_mhz", "max_memory_mhz"),
    "clocks.efficiency_percent": _CLOCK,
    "pcie.generation": ("pcie.max_generation",),
    "pcie.width": ("pcie.max_width",),
    "pcie.current_generation": ("pcie.generation",),
    "pcie.current_width": ("pcie.width",),
    "pcie.tx_throughput_mbps": ("pcie.tx_kib_per_second",),
    "pcie.rx_throughput_mbps": ("pcie.rx_kib_per_second",),
    "pcie.total_throughput_mbps": _THROUGHPUT,
    "pcie.max_bandwidth_mbps": _LINK,
    "pcie.utilization_percent": (*_THROUGHPUT, *_LINK),
    "throttling.reasons": ("clocks.event_reasons",),
    "throttling.reason_names": ("clocks.event_reasons",),
    "throttling.is_throttled": ("clocks.event_reasons",),
    "throttling.bottlenecks": (),
    "fan_speed_rpm": ("fans.speed_rpm",),
    "fan_speed_percent": ("fans.speed_percent",),
    "health.verdict": (),
    "debug_info.gpu_util_threshold": ("utilization.gpu_percent",),
    "debug_info.power_threshold": _POWER,
    "debug_info.memory_util_threshold": _MEMORY,
    "debug_info.clock_threshold": _CLOCK,
    "debug_info.temp_threshold": ("thermal.gpu_celsius",),
    "debug_info.is_active": ("utilization.gpu_percent", *_POWER, *_MEMORY, *_CLOCK, "thermal.gpu_celsius"),
    "mig": ("mig.instances",),
    "top_processes": ("processes", "memory.total_bytes"),
    **_alike(
        "detail.board",
        "identity",
        "serial",
        "part_number",
        "vbios_version",
        "pci_bus_id",
        "compute_capability",
        "architecture",
        "gsp_firmware_version",
        "gsp_firmware_enabled",
    ),
    **_alike(
        "detail.modes",
        "modes",
        "performance_state",
        "persistence_mode",
        "compute_mode",
        "virtualization_mode",
        "addressing_mode",
    ),
    "detail.modes.ecc_enabled": ("memory_errors.ecc_enabled",),
    "detail.modes.ecc_pending": ("memory_errors.ecc_pending",),
    "detail.modes.mig_enabled": ("mig.enabled",),
    "detail.modes.mig_pending": ("mig.pending",),
    **_alike(
        "detail.temperatures",
        "thermal",
        "memory_celsius",
        "max_operating_celsius",
        "slowdown_celsius",
        "shutdown_celsius",
        "memory_max_celsius",
        "margin_celsius",
        "max_operating_margin_celsius",
        "slowdown_margin_celsius",
        "shutdown_margin_celsius",
        "memory_max_margin_celsius",
    ),
    **_alike(
        "detail.power",
        "power",
        "instant_watts",
        "average_watts",
        "enforced_limit_watts",
        "default_limit_watts",
        "min_limit_watts",
        "max_limit_watts",
        "energy_joules",
    ),
    "detail.throttled_seconds.sw_power_cap": ("throttling.power_cap_seconds",),
    "detail.throttled_seconds.sync_boost": ("throttling.sync_boost_seconds",),
    "detail.throttled_seconds.sw_thermal_slowdown": ("throttling.software_thermal_seconds",),
    "detail.throttled_seconds.hw_thermal_slowdown": ("throttling.hardware_thermal_seconds",),
    "detail.throttled_seconds.hw_power_brake_slowdown": ("throttling.power_brake_seconds",),
    "detail.throttled_seconds.thermal": ("throttling.thermal_seconds",),
    "detail.power.memory.instant_watts": ("power.memory_instant_watts",),
    "detail.power.memory.average_watts": ("power.memory_average_watts",),
    "detail.power.module.instant_watts": ("power.module_instant_watts",),
    "detail.power.module.average_watts": ("power.module_average_watts",),
    "detail.power.module.limit_watts": ("power.module_limit_watts",),
    **_alike("detail.clocks", "clocks", "sm_mhz", "video_mhz", "max_sm_mhz", "max_video_mhz"),
    **_alike(
        "detail.engines", "engines", "encoder_percent", "decoder_percent", "jpeg_percent", "ofa_percent"
    ),
    **{
        f"detail.engines.{kind}_sessions.{ours}": (f"engines.{kind}_{theirs}",)
        for kind in ("encoder", "capture")
        for ours, theirs in (
            ("count", "sessions"),
            ("fps", "fps"),
            ("latency_microseconds", "latency_microseconds"),
        )
    },
    "detail.performance.sm_percent": ("gpm.sm_activity_percent",),
    "detail.performance.sm_occupancy_percent": ("gpm.sm_occupancy_percent",),
    "detail.performance.tensor_percent": ("gpm.tensor_activity_percent",),
    "detail.performance.dram_percent": ("gpm.dram_activity_percent",),
    "detail.memory.reserved_mb": ("memory.reserved_bytes",),
    "detail.bar1.total_mb": ("memory.bar1_total_bytes",),
    "detail.bar1.used_mb": ("memory.bar1_used_bytes",),
    "detail.fan_count": ("fans.count",),
    "detail.fans": ("fans.each",),
    "detail.pcie.card_generation": ("pcie.card_generation",),
    "detail.pcie.port_generation": ("pcie.port_generation", "identity.pci_bus_id"),
    "detail.pcie.card_width": ("pcie.max_width",),
    "detail.pcie.port_width": ("pcie.port_width", "identity.pci_bus_id"),
    "detail.pcie.widest_under_load": ("pcie.width",),
    "detail.pcie_replays": ("pcie.replays",),
    "detail.nvlinks": ("nvlink.links",),
    **_alike("detail.fabric", "fabric", "state", "status", "cluster_uuid", "clique_id"),
    "detail.fabric.health.summary": ("fabric.health_summary",),
    **_alike(
        "detail.fabric.health",
        "fabric",
        "bandwidth_degraded",
        "route_recovery_in_progress",
        "route_unhealthy",
        "access_timeout_recovery",
        "incorrect_configuration",
        "partition_assigned",
        "manager_connected",
    ),
    **_alike(
        "detail.ecc",
        "memory_errors",
        "corrected_volatile",
        "uncorrected_volatile",
        "corrected_aggregate",
        "uncorrected_aggregate",
        "sram_threshold_exceeded",
        "unrepairable_memory",
    ),
    **{
        f"detail.ecc.sram.{kind}_{since}": (f"memory_errors.sram_{kind}_{since}",)
        for kind in ("corrected", "uncorrected", "parity", "secded")
        for since in ("volatile", "aggregate")
    },
    "detail.ecc.sram.sources": ("memory_errors.sram_sources",),
    **{
        f"detail.ecc.dram.{kind}_{since}": (f"memory_errors.dram_{kind}_{since}",)
        for kind in ("corrected", "uncorrected")
        for since in ("volatile", "aggregate")
    },
    "detail.retired_pages.corrected": ("memory_errors.retired_pages_corrected",),
    "detail.retired_pages.uncorrected": ("memory_errors.retired_pages_uncorrected",),
    "detail.retired_pages.pending": ("memory_errors.retirement_pending",),
    "detail.remapped_rows.corrected": ("memory_errors.remapped_rows_corrected",),
    "detail.remapped_rows.uncorrected": ("memory_errors.remapped_rows_uncorrected",),
    "detail.remapped_rows.pending": ("memory_errors.remapping_pending",),
    "detail.remapped_rows.failed": ("memory_errors.remapping_failed",),
    "detail.remapped_rows.banks": ("memory_errors.remap_banks",),
    "detail.repairs.channel_pending": ("recovery.channel_repair_pending",),
    "detail.repairs.tpc_pending": ("recovery.tpc_repair_pending",),
    "detail.inforom_valid": ("inforom.is_valid",),
    "detail.xids": ("xids",),
    "detail.mig_instances": ("mig.instances",),
}
