"""The GPU models that can be simulated, with real figures. None: the model does not report the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.simulation.codes import FieldId

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuModel:
    """The constant properties of a GPU model."""

    name: str
    compute_capability: tuple[int, int]
    architecture: int  # nvmlDeviceArchitecture_t
    gsp_firmware: bool = False  # it is run by a processor of its own
    memory_total_mib: int | None  # None: the memory is the host's ("unified"), NVML does not report it
    memory_reserved_mib: int = 0  # kept back by driver and firmware
    idle_power_watts: int
    full_power_watts: int  # drawn at full load, also where no limit is reported
    power_limit_watts: int | None
    power_range_watts: tuple[int, int] | None = None  # that its limit can be set to
    memory_power_share: float | None = None  # of its power draw, where its memory reports its own
    idle_celsius: int
    full_celsius: int  # settles here at full load
    slowdown_celsius: int  # software thermal slowdown begins; the hardware's 5 above, shutdown 8 above
    memory_max_celsius: int | None = None
    part_number: str | None = None
    has_serial: bool = False
    ecc: bool = False
    row_remapping: bool = False  # Ampere and newer of the data centre
    page_retirement: bool = False  # before Ampere
    graphics_clocks_mhz: tuple[int, int]  # idle, maximum
    memory_clocks_mhz: tuple[int, int] | None  # idle, maximum
    video_clocks_mhz: tuple[int, int] | None  # idle, maximum
    pcie_generations: tuple[int, int] | None  # idle, maximum
    pcie_width: int | None
    bar1_total_mib: int | None
    fans: int = 0
    fan_max_rpm: int | None = None
    fan_stops_when_cool: bool = False
    memory_temperature: bool = False
    has_margin: bool = False  # Ada and newer: how far the temperature is from its limit
    has_fabric: bool = False  # Hopper and newer, behind NVSwitches
    gpm: bool = False
    nvswitch_links: int = 0  # NVLinks, all of them to switches that connect every GPU with every other
    nvlink_speed: int = 0  # MB/s of one link in one direction
    mig_profiles: tuple[str, ...] = ()  # a usual partition; empty: no MIG
    persistence_mode: bool = True
    display: bool = False
    graphics_processes: bool = False  # a desktop runs on it
    unsupported: frozenset[str | int] = frozenset()  # NVML symbols and field ids answered NOT_SUPPORTED


_H100 = GpuModel(
    name="NVIDIA H100 80GB HBM3",
    compute_capability=(9, 0),
    architecture=9,
    gsp_firmware=True,
    memory_total_mib=81_559,
    memory_reserved_mib=551,
    idle_power_watts=70,
    full_power_watts=700,
    power_limit_watts=700,
    power_range_watts=(200, 700),
    memory_power_share=0.2,
    idle_celsius=28,
    full_celsius=66,
    slowdown_celsius=87,
    memory_max_celsius=95,
    part_number="900-2G520-0000-000",
    ecc=True,
    row_remapping=True,
    has_serial=True,
    graphics_clocks_mhz=(345, 1980),
    memory_clocks_mhz=(2619, 2619),  # HBM3 keeps its clock when idle
    video_clocks_mhz=(765, 1545),
    pcie_generations=(5, 5),
    pcie_width=16,
    bar1_total_mib=131_072,
    memory_temperature=True,
    has_margin=True,
    has_fabric=True,
    gpm=True,
    nvswitch_links=18,
    nvlink_speed=26_562,
    mig_profiles=("3g.40gb", "2g.20gb", "1g.10gb", "1g.10gb"),
)

_A100 = GpuModel(
    name="NVIDIA A100-SXM4-80GB",
    compute_capability=(8, 0),
    architecture=7,
    gsp_firmware=True,
    memory_total_mib=81_920,
    memory_reserved_mib=770,
    idle_power_watts=57,
    full_power_watts=400,
    power_limit_watts=400,
    power_range_watts=(100, 400),
    idle_celsius=30,
    full_celsius=68,
    slowdown_celsius=85,
    memory_max_celsius=95,
    part_number="692-2G506-0210-002",
    ecc=True,
    row_remapping=True,
    has_serial=True,
    graphics_clocks_mhz=(210, 1410),
    memory_clocks_mhz=(1593, 1593),
    video_clocks_mhz=(585, 1290),
    pcie_generations=(4, 4),
    pcie_width=16,
    bar1_total_mib=131_072,
    memory_temperature=True,
    nvswitch_links=12,
    nvlink_speed=25_781,
    mig_profiles=("3g.40gb", "2g.20gb", "1g.10gb", "1g.10gb"),
)

_RTX_4090 = GpuModel(
    name="NVIDIA GeForce RTX 4090",
    compute_capability=(8, 9),
    architecture=8,
    gsp_firmware=True,
    memory_total_mib=24_564,
    memory_reserved_mib=346,
    idle_power_watts=22,
    full_power_watts=450,
    power_limit_watts=450,
    power_range_watts=(150, 600),
    idle_celsius=33,
    full_celsius=90,  # a closed case: hot enough to be slowed down at full load
    slowdown_celsius=83,
    graphics_clocks_mhz=(210, 3105),
    memory_clocks_mhz=(405, 10_501),
    video_clocks_mhz=(1185, 2415),
    pcie_generations=(1, 4),
    pcie_width=16,
    bar1_total_mib=256,
    fans=2,
    fan_max_rpm=3200,
    fan_stops_when_cool=True,
    has_margin=True,
    persistence_mode=False,
    display=True,
    graphics_processes=True,
    unsupported=frozenset({"nvmlDeviceGetTotalEccErrors", "nvmlDeviceGetMigMode"}),
)

_GB10 = GpuModel(
    name="NVIDIA GB10",
    compute_capability=(12, 1),
    architecture=10,
    gsp_firmware=True,
    memory_total_mib=None,
    idle_power_watts=5,
    full_power_watts=90,
    power_limit_watts=None,
    idle_celsius=36,
    full_celsius=78,
    slowdown_celsius=90,
    graphics_clocks_mhz=(208, 3003),
    memory_clocks_mhz=None,
    video_clocks_mhz=(600, 3003),
    pcie_generations=None,
    pcie_width=None,
    bar1_total_mib=None,
    graphics_processes=True,
    unsupported=frozenset(
        {
            "nvmlDeviceGetMigMode",
            "nvmlDeviceGetTotalEccErrors",
            "nvmlDeviceValidateInforom",
            FieldId.PCIE_COUNT_TX_BYTES,
            FieldId.PCIE_COUNT_RX_BYTES,
        }
    ),
)

_K80 = GpuModel(
    name="Tesla K80",
    compute_capability=(3, 7),
    architecture=2,
    memory_total_mib=11_441,
    idle_power_watts=26,
    full_power_watts=149,
    power_limit_watts=None,
    idle_celsius=31,
    full_celsius=72,
    slowdown_celsius=88,
    part_number="900-22080-0000-000",
    ecc=True,
    page_retirement=True,
    has_serial=True,
    graphics_clocks_mhz=(324, 875),
    memory_clocks_mhz=(324, 2505),
    video_clocks_mhz=(405, 540),
    pcie_generations=(1, 3),
    pcie_width=16,
    bar1_total_mib=16_384,
    unsupported=frozenset(
        {
            "nvmlDeviceGetMigMode",
            "nvmlDeviceGetProcessUtilization",
            "nvmlDeviceGetProcessesUtilizationInfo",
            "nvmlDeviceGetPcieThroughput",
            "nvmlDeviceGetFieldValues",
            "nvmlDeviceGetTotalEnergyConsumption",
            "nvmlDeviceGetGraphicsRunningProcesses_v3",
            "nvmlDeviceGetMPSComputeRunningProcesses_v3",
            "nvmlDeviceGetJpgUtilization",
            "nvmlDeviceGetOfaUtilization",
            "nvmlDeviceGetFBCStats",
            "nvmlDeviceGetNumFans",
            "nvmlDeviceGetRepairStatus",
            "nvmlGpmQueryDeviceSupport",
        }
    ),
)

MODELS: Mapping[str, GpuModel] = {
    "h100": _H100,
    "a100": _A100,
    "rtx4090": _RTX_4090,
    "gb10": _GB10,
    "k80": _K80,
}
