"""Fields of a reading that only this NVML function can fill; they become None when it fails."""

from __future__ import annotations

from dataclasses import fields

from agent.readings import Fabric, Throttling

DETAIL_FEEDS: dict[str, tuple[str, ...]] = {
    "nvmlDeviceGetSerial": ("identity.serial",),
    "nvmlDeviceGetBoardPartNumber": ("identity.part_number",),
    "nvmlDeviceGetVbiosVersion": ("identity.vbios_version",),
    "nvmlDeviceGetCudaComputeCapability": ("identity.compute_capability",),
    "nvmlDeviceGetPowerManagementDefaultLimit": ("power.default_limit_watts",),
    "nvmlDeviceGetArchitecture": ("identity.architecture",),
    "nvmlDeviceGetGspFirmwareVersion": ("identity.gsp_firmware_version",),
    "nvmlDeviceGetGspFirmwareMode": ("identity.gsp_firmware_enabled",),
    "nvmlDeviceGetVirtualizationMode": ("modes.virtualization_mode",),
    "nvmlDeviceGetAddressingMode": ("modes.addressing_mode",),
    "nvmlDeviceGetPowerManagementLimitConstraints": ("power.min_limit_watts", "power.max_limit_watts"),
    "nvmlDeviceGetGpuMaxPcieLinkGeneration": ("pcie.card_generation",),
    "nvmlDeviceGetEncoderStats": (
        "engines.encoder_sessions",
        "engines.encoder_fps",
        "engines.encoder_latency_microseconds",
    ),
    "nvmlDeviceGetFBCStats": (
        "engines.capture_sessions",
        "engines.capture_fps",
        "engines.capture_latency_microseconds",
    ),
    "nvmlDeviceGetNumFans": ("fans.count",),
    "nvmlDeviceGetTemperatureThreshold": (
        "thermal.shutdown_celsius",
        "thermal.slowdown_celsius",
        "thermal.max_operating_celsius",
        "thermal.memory_max_celsius",
    ),
    "nvmlDeviceGetMarginTemperature": ("thermal.margin_celsius",),
    "nvmlDeviceGetPerformanceState": ("modes.performance_state",),
    "nvmlDeviceGetPersistenceMode": ("modes.persistence_mode",),
    "nvmlDeviceGetEnforcedPowerLimit": ("power.enforced_limit_watts",),
    "nvmlDeviceGetTotalEnergyConsumption": ("power.energy_joules",),
    "nvmlDeviceGetEncoderUtilization": ("engines.encoder_percent",),
    "nvmlDeviceGetDecoderUtilization": ("engines.decoder_percent",),
    "nvmlDeviceGetJpgUtilization": ("engines.jpeg_percent",),
    "nvmlDeviceGetOfaUtilization": ("engines.ofa_percent",),
    "nvmlDeviceGetBAR1MemoryInfo": ("memory.bar1_total_bytes", "memory.bar1_used_bytes"),
    "nvmlDeviceGetPcieReplayCounter": ("pcie.replays",),
    "nvmlDeviceGetEccMode": ("memory_errors.ecc_enabled", "memory_errors.ecc_pending"),
    "nvmlDeviceGetSramEccErrorStatus": (  # both sums have a function that stands in
        "memory_errors.sram_parity_volatile",
        "memory_errors.sram_parity_aggregate",
        "memory_errors.sram_secded_volatile",
        "memory_errors.sram_secded_aggregate",
        "memory_errors.sram_sources",
        "memory_errors.sram_threshold_exceeded",
    ),
    "nvmlDeviceGetMemoryErrorCounter": (
        "memory_errors.dram_corrected_volatile",
        "memory_errors.dram_corrected_aggregate",
        "memory_errors.dram_uncorrected_volatile",
        "memory_errors.dram_uncorrected_aggregate",
    ),
    "nvmlDeviceGetTotalEccErrors": (
        "memory_errors.corrected_volatile",
        "memory_errors.uncorrected_volatile",
        "memory_errors.corrected_aggregate",
        "memory_errors.uncorrected_aggregate",
    ),
    "nvmlDeviceGetRetiredPages": (
        "memory_errors.retired_pages_corrected",
        "memory_errors.retired_pages_uncorrected",
    ),
    "nvmlDeviceGetRetiredPagesPendingStatus": ("memory_errors.retirement_pending",),
    "nvmlDeviceGetRemappedRows": (
        "memory_errors.remapped_rows_corrected",
        "memory_errors.remapped_rows_uncorrected",
        "memory_errors.remapping_pending",
        "memory_errors.remapping_failed",
    ),
    "nvmlDeviceGetRowRemapperHistogram": ("memory_errors.remap_banks",),
    "nvmlDeviceGetUnrepairableMemoryFlag_v1": ("memory_errors.unrepairable_memory",),
    "nvmlDeviceGetRepairStatus": ("recovery.channel_repair_pending", "recovery.tpc_repair_pending"),
}

# Everything that only `detail=1` and /metrics show.
DETAILS = {
    *(name for names in DETAIL_FEEDS.values() for name in names),
    # by field values
    "power.average_watts",
    "power.instant_watts",
    "thermal.memory_celsius",
    "recovery.action",
    *(f"thermal.{name}_margin_celsius" for name in ("shutdown", "slowdown", "memory_max", "max_operating")),
    *(f"throttling.{one.name}" for one in fields(Throttling)),
    "power.memory_average_watts",
    "power.memory_instant_watts",
    "power.module_average_watts",
    "power.module_instant_watts",
    "power.module_limit_watts",
    # by one of two functions
    "clocks.supported_event_reasons",
    "memory_errors.sram_corrected_volatile",
    "memory_errors.sram_corrected_aggregate",
    "memory_errors.sram_uncorrected_volatile",
    "memory_errors.sram_uncorrected_aggregate",
    # by functions that also report other values
    "clocks.sm_mhz",
    "clocks.video_mhz",
    "clocks.max_sm_mhz",
    "clocks.max_video_mhz",
    "gpm.sm_occupancy_percent",
    "gpm.tensor_activity_percent",
    # values that other values are judged by
    "pcie.widest_under_load",
    "fans.gpu_celsius",
    # tested in files of their own
    *(f"fabric.{one.name}" for one in fields(Fabric)),
    "inforom.is_valid",
}

# Tested in files of their own: one has older forms, the other is read after the sample.
APART = {"nvmlDeviceGetGpuFabricInfoV", "nvmlDeviceValidateInforom"}

# Tested with the links; field values report the other values of a link.
LINK_FEEDS = ("nvmlDeviceGetNvLinkErrorCounter", "nvmlDeviceGetNvLinkRemoteDeviceType")
