"""What was measured: frozen values with their unit in their name. `None` means the driver did not tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

NVSWITCH = "NVSwitch"  # stands among a GPU's NVLink peers for all GPUs behind the same switches


class SourceError(Exception):
    """A source could not be read; the message is one sentence for people."""


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


class GpuState(StrEnum):
    """How far a GPU's values can be trusted."""

    STARTING = "starting"  # no reading yet
    OK = "ok"
    STALE = "stale"  # the last reading is up to three sample intervals old
    STUCK = "stuck"  # a driver call has not returned for SAMPLE_TIMEOUT
    LOST = "lost"  # the driver refuses: fallen off the bus, no permission, ...


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
    nvlink_peers: frozenset[str] | None = None  # nvmlDeviceGetNvLinkState ...: PCI bus ids, NVSWITCH
    processes: tuple[GpuProcess, ...] | None = None  # None: the driver does not tell
    mig_enabled: bool = False  # nvmlDeviceGetMigMode, also while there is no instance yet
    mig_instances: tuple[MigInstance, ...] = ()


@dataclass(frozen=True, slots=True)
class Belonging:
    """Where a process belongs, by /proc/PID/cgroup; Slurm also by its environment, where that may be read."""

    container_id: str | None = None
    container_name: str | None = None  # only where the runtime writes it into the cgroup's path
    pod_uid: str | None = None  # Kubernetes
    systemd_unit: str | None = None  # of the system, not of a user's session
    slurm_job_id: str | None = None
    slurm_step: str | None = None
    user_session: str | None = None  # as loginctl lists it


@dataclass(frozen=True, slots=True)
class HostProcess:
    """A process as /proc describes it; every field is None where it vanished or may not be read."""

    pid: int
    username: str | None = None
    name: str | None = None
    command: str | None = None
    cpu_percent: float | None = None  # of one core; needs two readings
    memory_rss_bytes: int | None = None
    memory_percent: float | None = None  # resident memory over the host's
    running_seconds: float | None = None
    start_ticks: int | None = None  # since boot; with the pid it names the process, for pids are used again
    belonging: Belonging = field(default_factory=Belonging)


@dataclass(frozen=True, slots=True)
class DiskIo:
    """Every physical disk, each counted once, since boot; rates need two readings."""

    total_read_bytes: int | None = None
    total_write_bytes: int | None = None
    total_read_ops: int | None = None
    total_write_ops: int | None = None
    read_bytes_per_second: float | None = None
    write_bytes_per_second: float | None = None
    read_ops_per_second: float | None = None
    write_ops_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class HostReading:
    """The host at one moment (psutil)."""

    hostname: str
    cpu_count_physical: int | None = None
    cpu_count_logical: int | None = None
    cpu_percent: float | None = None  # since the previous reading
    cpu_per_core_percent: tuple[float, ...] | None = None
    cpu_freq_current_mhz: float | None = None
    cpu_freq_min_mhz: float | None = None
    cpu_freq_max_mhz: float | None = None
    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_percent: float | None = None
    memory_cached_bytes: int | None = None
    memory_buffers_bytes: int | None = None
    disk_used_bytes: int | None = None
    disk_available_bytes: int | None = None
    disk_io: DiskIo = field(default_factory=DiskIo)
    temperature_celsius: float | None = None  # the hottest sensor
    top_processes: tuple[HostProcess, ...] = ()  # the five largest by resident memory
    gpu_processes: Mapping[int, HostProcess] = field(default_factory=dict)  # by pid


@dataclass(frozen=True, slots=True)
class GpuSample:
    """A GPU as a Snapshot shows it. `reading` is None while no value may be shown as current."""

    index: int
    state: GpuState
    identity: GpuIdentity = field(default_factory=GpuIdentity)
    reading: GpuReading | None = None
    sampled_at: float | None = None  # seconds since the epoch, of the last reading, shown or not
    age_ms: int | None = None  # of the last reading, shown or not, when the Snapshot was assembled
    error: str | None = None  # one sentence, only for a GPU that could not be read

    @property
    def values(self) -> GpuReading:
        """What may be shown as current; without a reading, one in which every live value is unknown."""
        return self.reading or GpuReading(sampled_at=0, sampled_monotonic=0, identity=self.identity)


class ProcessUse(NamedTuple):
    """What a process did with one GPU, as far as it was watched.

    A tuple, for one is made for each process and Snapshot: a frozen dataclass takes three times as long.
    """

    first_seen_at: float  # seconds since the epoch
    gpu_seconds_held: float
    gpu_seconds_used: float | None = None  # SM utilization times time; None: never told
    idle_seconds: float | None = None  # held memory and did no work, up to now; None: it is not told whether


@dataclass(frozen=True, slots=True)
class UserUse:
    """What a user's processes did with all GPUs since the agent started."""

    gpu_seconds_held: float  # a GPU counts once, however many processes of the user are on it
    gpu_seconds_used: float | None = None  # SM utilization (at most 100 %) times time; None: never told


@dataclass(frozen=True, slots=True)
class LedgerReading:
    """What needs memory across Snapshots."""

    processes: Mapping[tuple[str, int], ProcessUse] = field(default_factory=dict)  # by GPU UUID and pid
    users: Mapping[str | None, UserUse] = field(default_factory=dict)  # by name; None: owner unknown
    # By GPU UUID, of the last 60 s; None: not told.
    peak_utilization_percent: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything known at one moment; immutable, shared by every view."""

    taken_at: float  # seconds since the epoch
    taken_monotonic: float  # start of the sampling round, seconds of the monotonic clock
    driver: DriverReading | None = None  # None: no contact
    driver_error: str | None = None  # one sentence: what is missing and what to do; None before first contact
    gpus: tuple[GpuSample, ...] = ()
    host: HostReading | None = None
    simulated: bool = False
    ledger: LedgerReading | None = None  # None: nothing is remembered, HISTORY_INTERVAL is 0

    @property
    def host_processes(self) -> Mapping[int, HostProcess]:
        """The processes on GPUs as the host describes them, by pid; empty while it does not."""
        return self.host.gpu_processes if self.host else {}
