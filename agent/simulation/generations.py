"""Older drivers: which functions their libraries lack. Newer ones add functions, so each lacks more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class DriverGeneration:
    """A driver release, by what can be seen of it through NVML."""

    driver_version: str
    cuda_version: int  # 1000 * major + 10 * minor
    absent: frozenset[str] = frozenset()  # NVML symbols
    pcie_counters: bool = True  # field values of cumulative PCIe bytes
    recovery_action: bool = True  # field value of what the driver wants done


_SINCE_R550 = frozenset(
    {
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetDriverModel_v2",
        "nvmlDeviceGetFanSpeedRPM",
        "nvmlDeviceGetProcessesUtilizationInfo",
        "nvmlDeviceGetAddressingMode",
        "nvmlDeviceGetRunningProcessDetailList",
        "nvmlDeviceGetSramEccErrorStatus",
        "nvmlDeviceGetTemperatureV",
    }
)
_SINCE_R525 = frozenset(
    {
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetConfComputeMemSizeInfo",
        "nvmlDeviceGetGraphicsRunningProcesses_v3",
        "nvmlDeviceGetGpuMaxPcieLinkGeneration",
        "nvmlDeviceGetGspFirmwareMode",
        "nvmlDeviceGetGspFirmwareVersion",
        "nvmlDeviceGetJpgUtilization",
        "nvmlDeviceGetMPSComputeRunningProcesses_v3",
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetOfaUtilization",
        "nvmlGpmMetricsGet",
        "nvmlGpmMigSampleGet",
        "nvmlGpmQueryDeviceSupport",
        "nvmlGpmSampleAlloc",
        "nvmlGpmSampleFree",
        "nvmlGpmSampleGet",
    }
)
_SINCE_R450 = frozenset(
    {
        "nvmlDeviceGetArchitecture",
        "nvmlDeviceGetComputeInstanceId",
        "nvmlDeviceGetComputeRunningProcesses_v2",
        "nvmlDeviceGetDeviceHandleFromMigDeviceHandle",
        "nvmlDeviceGetGpuInstanceId",
        "nvmlDeviceGetGraphicsRunningProcesses_v2",
        "nvmlDeviceGetMPSComputeRunningProcesses_v2",
        "nvmlDeviceGetMaxMigDeviceCount",
        "nvmlDeviceGetMigDeviceHandleByIndex",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetNumFans",
        "nvmlDeviceGetRemappedRows",
        "nvmlDeviceGetRowRemapperHistogram",
        "nvmlDeviceGetNvLinkRemoteDeviceType",
        "nvmlDeviceIsMigDeviceHandle",
        "nvmlSystemGetCudaDriverVersion_v2",
    }
)

DRIVER_GENERATIONS: Mapping[str, DriverGeneration] = {
    "current": DriverGeneration("580.95.05", 13000),
    # process lists have the short-lived layout with protected memory (detected by the symbols around it)
    "r535": DriverGeneration("535.183.01", 12020, _SINCE_R550, pcie_counters=False, recovery_action=False),
    "r470": DriverGeneration(
        "470.256.02", 11040, _SINCE_R550 | _SINCE_R525, pcie_counters=False, recovery_action=False
    ),
    # only the functions without a version: process lists, memory, temperature, throttle reasons
    "r418": DriverGeneration(
        "418.226.00",
        10010,
        _SINCE_R550 | _SINCE_R525 | _SINCE_R450,
        pcie_counters=False,
        recovery_action=False,
    ),
}
