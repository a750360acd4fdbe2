"""Which fields of a reading's details each NVML function fills, and nothing else can."""

from __future__ import annotations

DETAIL_FEEDS: dict[str, tuple[str, ...]] = {
    "nvmlDeviceGetSerial": ("board.serial",),
    "nvmlDeviceGetBoardPartNumber": ("board.part_number",),
    "nvmlDeviceGetVbiosVersion": ("board.vbios_version",),
    "nvmlDeviceGetCudaComputeCapability": ("board.compute_capability",),
    "nvmlDeviceGetPowerManagementDefaultLimit": ("board.default_power_limit_watts",),
    "nvmlDeviceGetNumFans": ("board.fan_count",),
    "nvmlDeviceGetTemperatureThreshold": (
        "board.shutdown_celsius",
        "board.slowdown_celsius",
        "board.max_operating_celsius",
        "board.memory_max_celsius",
    ),
    "nvmlDeviceGetPerformanceState": ("condition.performance_state",),
    "nvmlDeviceGetPersistenceMode": ("condition.persistence_mode",),
    "nvmlDeviceGetEnforcedPowerLimit": ("condition.enforced_power_limit_watts",),
    "nvmlDeviceGetTotalEnergyConsumption": ("condition.energy_joules",),
    "nvmlDeviceGetEncoderUtilization": ("condition.encoder_percent",),
    "nvmlDeviceGetDecoderUtilization": ("condition.decoder_percent",),
    "nvmlDeviceGetJpgUtilization": ("condition.jpeg_percent",),
    "nvmlDeviceGetOfaUtilization": ("condition.ofa_percent",),
    "nvmlDeviceGetBAR1MemoryInfo": ("condition.bar1_total_bytes", "condition.bar1_used_bytes"),
    "nvmlDeviceGetPcieReplayCounter": ("condition.pcie_replays",),
    "nvmlDeviceGetEccMode": ("memory_errors.ecc_enabled",),
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
}

# Tested with the links.
LINK_FEEDS: dict[str, str] = {
    "nvmlDeviceGetNvLinkVersion": "version",
    "nvmlDeviceGetNvLinkErrorCounter": "replay_errors",
    "nvmlDeviceGetNvLinkState": "",
    "nvmlDeviceGetNvLinkRemoteDeviceType": "",
}
