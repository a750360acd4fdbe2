"""One GPU as the driver describes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

NVSWITCH = "NVSwitch"  # stands among a GPU's NVLink peers for all GPUs behind the same switches


class ProcessType(StrEnum):
    """How a process uses a GPU, as NVML's two process lists tell it."""

    COMPUTE = "C"
    GRAPHICS = "G"
    BOTH = "C+G"


class ComputeMode(IntEnum):
    """Who may run CUDA on a GPU (NVML: nvmlComputeMode_t)."""

    DEFAULT = 0
    EXCLUSIVE_THREAD = 1
    PROHIBITED = 2
    EXCLUSIVE_PROCESS = 3


class RecoveryAction(IntEnum):
    """What the driver wants done to a GPU (NVML: nvmlDeviceGpuRecoveryAction_t)."""

    NONE = 0
    GPU_RESET = 1
    NODE_REBOOT = 2
    DRAIN_P2P = 3
    DRAIN_AND_RESET = 4
    RECOVER_IMEX_DOMAIN = 5
    BUS_RESET = 6
    SYSTEM_REBOOT = 7


@dataclass(frozen=True, slots=True)
class Fan:
    """One fan."""

    speed_percent: int | None = None  # nvmlDeviceGetFanSpeed_v2: as intended; may exceed 100
    speed_rpm: int | None = None  # nvmlDeviceGetFanSpeedRPM: as measured


@dataclass(frozen=True, slots=True)
class DriverReading:
    """What the driver says about itself (NVML: nvmlSystemGet*, nvmlDeviceGetCount_v2)."""

    gpu_count: int
    driver_version: str | None = None
    cuda_version: str | None = None
    nvml_version: str | None = None


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """What never changes while a GPU stays in its slot; read once."""

    uuid: str | None = None  # nvmlDeviceGetUUID
    name: str | None = None  # nvmlDeviceGetName
    pci_bus_id: str | None = None  # nvmlDeviceGetPciInfo_v3: "00000000:3B:00.0"
    memory_total_bytes: int | None = None  # nvmlDeviceGetMemoryInfo_v2; None with unified memory
    max_graphics_clock_mhz: int | None = None  # nvmlDeviceGetMaxClockInfo
    max_memory_clock_mhz: int | None = None  # nvmlDeviceGetMaxClockInfo
    pcie_max_generation: int | None = None  # nvmlDeviceGetMaxPcieLinkGeneration: of this GPU in this slot
    pcie_max_width: int | None = None  # nvmlDeviceGetMaxPcieLinkWidth


@dataclass(frozen=True, slots=True)
class Board:
    """The card and its limits; read once."""

    serial: str | None = None  # nvmlDeviceGetSerial
    part_number: str | None = None  # nvmlDeviceGetBoardPartNumber
    vbios_version: str | None = None  # nvmlDeviceGetVbiosVersion
    compute_capability: tuple[int, int] | None = None  # nvmlDeviceGetCudaComputeCapability
    default_power_limit_watts: float | None = None  # nvmlDeviceGetPowerManagementDefaultLimit, mW
    max_sm_clock_mhz: int | None = None  # nvmlDeviceGetMaxClockInfo
    max_video_clock_mhz: int | None = None  # nvmlDeviceGetMaxClockInfo
    fan_count: int | None = None  # nvmlDeviceGetNumFans
    shutdown_celsius: int | None = None  # nvmlDeviceGetTemperatureThreshold, as the three below
    slowdown_celsius: int | None = None  # hardware slowdown begins
    max_operating_celsius: int | None = None  # software slowdown begins
    memory_max_celsius: int | None = None  # of the memory: software slowdown begins


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds a context on a GPU (NVML: nvmlDeviceGet{Compute,Graphics}RunningProcesses)."""

    pid: int
    type: ProcessType
    gpu_memory_bytes: int | None = None
    sm_utilization_percent: int | None = None  # nvmlDeviceGetProcessUtilization, as the three below
    memory_utilization_percent: int | None = None  # time in which its accesses kept DRAM busy
    encoder_utilization_percent: int | None = None
    decoder_utilization_percent: int | None = None


@dataclass(frozen=True, slots=True)
class MigInstance:
    """A MIG device: a slice of a GPU (NVML: nvmlDeviceGetMigDeviceHandleByIndex)."""

    mig_index: int
    uuid: str | None = None
    name: str | None = None  # with the profile, as NVML prints it: "NVIDIA A100 MIG 1g.5gb"
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """What changes slowly, or matters only to who looks closely; read every few seconds."""

    performance_state: int | None = None  # nvmlDeviceGetPerformanceState: 0 the fastest, 15 the slowest
    persistence_mode: bool | None = None  # nvmlDeviceGetPersistenceMode
    recovery_action: int | None = None  # field value 230: one of RecoveryAction, or newer than it
    memory_temperature_celsius: int | None = None  # field value 82
    average_power_watts: float | None = None  # field value 185, mW; over one second
    instant_power_watts: float | None = None  # field value 186, mW
    enforced_power_limit_watts: float | None = None  # nvmlDeviceGetEnforcedPowerLimit: the least in force
    energy_joules: float | None = None  # nvmlDeviceGetTotalEnergyConsumption, mJ since the driver was loaded
    sm_clock_mhz: int | None = None  # nvmlDeviceGetClockInfo
    video_clock_mhz: int | None = None  # nvmlDeviceGetClockInfo
    encoder_percent: int | None = None  # nvmlDeviceGetEncoderUtilization
    decoder_percent: int | None = None  # nvmlDeviceGetDecoderUtilization
    jpeg_percent: int | None = None  # nvmlDeviceGetJpgUtilization
    ofa_percent: int | None = None  # nvmlDeviceGetOfaUtilization: optical flow accelerator
    bar1_total_bytes: int | None = None  # nvmlDeviceGetBAR1MemoryInfo: the window that the CPU sees
    bar1_used_bytes: int | None = None  # nvmlDeviceGetBAR1MemoryInfo
    fans: tuple[Fan, ...] = ()
    pcie_replays: int | None = None  # nvmlDeviceGetPcieReplayCounter, since the GPU was reset


@dataclass(frozen=True, slots=True)
class MemoryErrors:
    """ECC errors and what became of the memory that had them. Volatile: since the driver was loaded."""

    ecc_enabled: bool | None = None  # nvmlDeviceGetEccMode, current
    corrected_volatile: int | None = None  # nvmlDeviceGetTotalEccErrors, as the three below
    uncorrected_volatile: int | None = None
    corrected_aggregate: int | None = None  # over the life of the GPU
    uncorrected_aggregate: int | None = None
    retired_pages_corrected: int | None = None  # nvmlDeviceGetRetiredPages: many single-bit errors
    retired_pages_uncorrected: int | None = None  # nvmlDeviceGetRetiredPages: a double-bit error
    retirement_pending: bool | None = None  # nvmlDeviceGetRetiredPagesPendingStatus: until the next reset
    remapped_rows_corrected: int | None = None  # nvmlDeviceGetRemappedRows, as the three below
    remapped_rows_uncorrected: int | None = None
    remapping_pending: bool | None = None  # until the next reset
    remapping_failed: bool | None = None
    remap_banks: RemapBanks | None = None  # nvmlDeviceGetRowRemapperHistogram


@dataclass(frozen=True, slots=True)
class RemapBanks:
    """Number of memory banks by how many of their spare rows are left."""

    all: int
    most: int
    some: int
    few: int
    none: int


@dataclass(frozen=True, slots=True)
class NvLink:
    """One NVLink of a GPU."""

    link: int
    is_active: bool  # nvmlDeviceGetNvLinkState
    version: int | None = None  # nvmlDeviceGetNvLinkVersion, as NVML counts them
    peer: str | None = None  # PCI bus id at the other end, or NVSWITCH
    tx_kib_per_second: float | None = None  # field value 138: data that leaves the GPU
    rx_kib_per_second: float | None = None  # field value 139: data that enters it
    replay_errors: int | None = None  # nvmlDeviceGetNvLinkErrorCounter, as the three below
    recovery_errors: int | None = None
    crc_flit_errors: int | None = None
    crc_data_errors: int | None = None


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU at one moment."""

    sampled_at: float  # seconds since the epoch
    sampled_monotonic: float  # seconds of the monotonic clock: ages are taken from this one
    identity: GpuIdentity
    memory_used_bytes: int | None = None  # nvmlDeviceGetMemoryInfo_v2
    memory_free_bytes: int | None = None  # nvmlDeviceGetMemoryInfo_v2
    gpu_utilization_percent: int | None = None  # nvmlDeviceGetUtilizationRates
    memory_controller_percent: int | None = None  # nvmlDeviceGetUtilizationRates: time DRAM was in use
    gpm_supported: bool = False  # nvmlGpmQueryDeviceSupport
    sm_activity_percent: float | None = None  # GPM metric 2, Hopper and newer
    sm_occupancy_percent: float | None = None  # GPM metric 3: warps of the most there can be
    tensor_activity_percent: float | None = None  # GPM metric 5: time in which tensor cores worked
    dram_activity_percent: float | None = None  # GPM metric 10, Hopper and newer
    temperature_celsius: int | None = None  # nvmlDeviceGetTemperature, GPU sensor
    power_watts: float | None = None  # nvmlDeviceGetPowerUsage, mW
    power_limit_watts: float | None = None  # nvmlDeviceGetPowerManagementLimit, mW
    graphics_clock_mhz: int | None = None  # nvmlDeviceGetClockInfo
    memory_clock_mhz: int | None = None  # nvmlDeviceGetClockInfo
    pcie_generation: int | None = None  # nvmlDeviceGetCurrPcieLinkGeneration: drops when idle
    pcie_width: int | None = None  # nvmlDeviceGetCurrPcieLinkWidth
    pcie_tx_kib_per_second: float | None = (
        None  # leaves the GPU; field value 197, else nvmlDeviceGetPcieThroughput
    )
    pcie_rx_kib_per_second: float | None = (
        None  # enters the GPU; field value 198, else nvmlDeviceGetPcieThroughput
    )
    clocks_event_reasons: int | None = None  # nvmlDeviceGetCurrentClocksEventReasons, bitmask
    fan_speed_percent: int | None = None  # nvmlDeviceGetFanSpeed; may exceed 100
    fan_speed_rpm: int | None = None  # nvmlDeviceGetFanSpeedRPM
    compute_mode: int | None = None  # nvmlDeviceGetComputeMode: one of ComputeMode, or newer than it
    board: Board = Board()
    condition: Condition = Condition()
    memory_errors: MemoryErrors = MemoryErrors()
    nvlinks: tuple[NvLink, ...] | None = None  # None: it has no NVLink
    most_nvlinks_active: int = 0  # at once, since this GPU was first read
    processes: tuple[GpuProcess, ...] | None = None  # None: the driver does not tell
    mig_enabled: bool = False  # nvmlDeviceGetMigMode, also while there is no instance yet
    mig_instances: tuple[MigInstance, ...] = ()

    @property
    def nvlink_peers(self) -> frozenset[str] | None:
        """What this GPU's active NVLinks lead to: PCI bus ids, NVSWITCH; None: it has no NVLink."""
        if self.nvlinks is None:
            return None
        return frozenset(link.peer for link in self.nvlinks if link.is_active and link.peer)
