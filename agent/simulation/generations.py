"""Older drivers: the functions that their libraries lack. Each older one lacks more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.simulation.codes import FieldId

if TYPE_CHECKING:
    from collections.abc import Mapping

_SLOWED = (FieldId.SLOWED_BY_SOFTWARE_HEAT, FieldId.SLOWED_BY_HARDWARE_HEAT, FieldId.SLOWED_BY_POWER_BRAKE)
_TLIMITS = (
    FieldId.SHUTDOWN_TLIMIT,
    FieldId.SLOWDOWN_TLIMIT,
    FieldId.MEMORY_MAX_TLIMIT,
    FieldId.MAX_OPERATING_TLIMIT,
)
_OF_LINKS = (
    FieldId.NVLINK_REPLAYS,
    FieldId.NVLINK_RECOVERIES_BEFORE_5,
    FieldId.NVLINK_CRC_ERRORS,
    FieldId.NVLINK_SPEED,
    FieldId.NVLINK_STATE,
    FieldId.NVLINK_VERSION,
)
_RESETS = (FieldId.RESET_STATUS, FieldId.DRAIN_AND_RESET_STATUS)
_NONE = 0  # no field


@dataclass(frozen=True, slots=True)
class DriverGeneration:
    """A driver release, by its differences in NVML."""

    driver_version: str
    cuda_version: int  # 1000 * major + 10 * minor
    absent: frozenset[str] = frozenset()  # NVML symbols
    pcie_counters: bool = True  # field values of cumulative PCIe bytes
    recovery_action: bool = True  # field value of the recovery action
    field_ids: Mapping[int, int] = field(default_factory=dict)  # ids with another meaning in this release
    fabric_info: int = 3  # the newest form of nvmlDeviceGetGpuFabricInfoV that it knows


_SINCE_R580 = frozenset({"nvmlDeviceGetRepairStatus", "nvmlDeviceGetUnrepairableMemoryFlag_v1"})
_SINCE_R550 = frozenset(  # or R570
    {
        *_SINCE_R580,
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetSupportedClocksEventReasons",
        "nvmlDeviceGetDriverModel_v2",
        "nvmlDeviceGetFanSpeedRPM",
        "nvmlDeviceGetGpuFabricInfoV",
        "nvmlDeviceGetMarginTemperature",
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
        "nvmlDeviceGetGpuFabricInfo",
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

# R575 gave three counters the numbers of others, which moved behind them; later drivers put them back.
_OF_R575 = dict(zip((251, 252, 253), map(int, _SLOWED), strict=True))
_BEFORE_R575 = {int(one): _NONE for one in _SLOWED}
_BEFORE_R550 = {int(one): _NONE for one in (*_SLOWED, *_RESETS)}
_BEFORE_R525 = {int(one): _NONE for one in (*_SLOWED, *_TLIMITS, *_OF_LINKS, *_RESETS)}

DRIVER_GENERATIONS: Mapping[str, DriverGeneration] = {
    "current": DriverGeneration("580.95.05", 13000),
    "r575": DriverGeneration(
        "575.64.05", 12090, _SINCE_R580, field_ids=_BEFORE_R575 | _OF_R575, fabric_info=2
    ),
    # process lists have the short-lived layout with protected memory (detected by the symbols around it)
    "r535": DriverGeneration(
        "535.183.01",
        12020,
        _SINCE_R550,
        pcie_counters=False,
        recovery_action=False,
        field_ids=_BEFORE_R550,
    ),
    "r470": DriverGeneration(
        "470.256.02",
        11040,
        _SINCE_R550 | _SINCE_R525,
        pcie_counters=False,
        recovery_action=False,
        field_ids=_BEFORE_R525,
    ),
    # only the functions without a version: process lists, memory, temperature, throttle reasons
    "r418": DriverGeneration(
        "418.226.00",
        10010,
        _SINCE_R550 | _SINCE_R525 | _SINCE_R450,
        pcie_counters=False,
        recovery_action=False,
        field_ids=_BEFORE_R525,
    ),
}
