"""The shape of `detail` in `/gpu?detail=1`: everything else that the driver tells of one GPU."""

from __future__ import annotations

from pydantic import BaseModel, Field

from agent.derive.xid import Remedy
from agent.views.health import VerdictWord


class GpuBoard(BaseModel):
    """NVML: nvmlDeviceGetSerial, BoardPartNumber, VbiosVersion, PciInfo, CudaComputeCapability."""

    serial: str | None = Field(description="serial number of the board")
    part_number: str | None = Field(description="part number of the board")
    vbios_version: str | None = Field(description="version of its firmware")
    pci_bus_id: str | None = Field(description="domain:bus:device.function")
    compute_capability: str | None = Field(description="CUDA compute capability, as in 9.0")


class GpuModes(BaseModel):
    """NVML: nvmlDeviceGetPerformanceState, PersistenceMode, ComputeMode, EccMode, MigMode."""

    performance_state: str | None = Field(description="P0, the fastest, to P15")
    persistence_mode: bool | None = Field(description="the driver stays loaded while nobody uses the GPU")
    compute_mode: str | None = Field(description="default, exclusive_process, prohibited ...")
    ecc_enabled: bool | None = Field(description="memory errors are detected and corrected")
    mig_enabled: bool | None = Field(description="the GPU is partitioned")


class GpuTemperatures(BaseModel):
    """NVML: field value 82, nvmlDeviceGetTemperatureThreshold. Degrees Celsius."""

    memory_celsius: int | None = Field(description="memory, now")
    max_operating_celsius: int | None = Field(description="the driver slows the GPU down from here on")
    slowdown_celsius: int | None = Field(description="the hardware slows itself down from here on")
    shutdown_celsius: int | None = Field(description="the GPU shuts itself down")
    memory_max_celsius: int | None = Field(description="the driver slows the memory down from here on")


class GpuPowerDetail(BaseModel):
    """NVML: field values 185 and 186, nvmlDeviceGetEnforcedPowerLimit, TotalEnergyConsumption."""

    instant_watts: float | None = Field(description="draw at this moment, watts")
    average_watts: float | None = Field(description="draw over the last second, watts")
    enforced_limit_watts: float | None = Field(description="the least of all limits in force, watts")
    default_limit_watts: float | None = Field(description="the limit it is shipped with, watts")
    energy_joules: float | None = Field(description="since the driver was loaded, joules")


class GpuClockDetail(BaseModel):
    """NVML: nvmlDeviceGetClockInfo, nvmlDeviceGetMaxClockInfo."""

    sm_mhz: int | None = Field(description="MHz")
    video_mhz: int | None = Field(description="MHz")
    max_sm_mhz: int | None = Field(description="MHz")
    max_video_mhz: int | None = Field(description="MHz")


class GpuEngines(BaseModel):
    """NVML: nvmlDeviceGetEncoderUtilization, DecoderUtilization, JpgUtilization, OfaUtilization."""

    encoder_percent: int | None = Field(description="video encoder, percent of time in use")
    decoder_percent: int | None = Field(description="video decoder, percent of time in use")
    jpeg_percent: int | None = Field(description="JPEG decoder, percent of time in use")
    ofa_percent: int | None = Field(description="optical flow accelerator, percent of time in use")


class GpuPerformance(BaseModel):
    """NVML: GPM metrics 2, 3, 5 and 10; Hopper and newer."""

    sm_percent: float | None = Field(description="SMs that were busy, percent")
    sm_occupancy_percent: float | None = Field(description="warps in flight of all there can be, percent")
    tensor_percent: float | None = Field(description="time in which tensor cores worked, percent")
    dram_percent: float | None = Field(description="memory bandwidth used of what there is, percent")


class GpuBar1(BaseModel):
    """NVML: nvmlDeviceGetBAR1MemoryInfo: the window through which the host sees GPU memory."""

    total_mb: float | None = Field(description="MiB")
    used_mb: float | None = Field(description="MiB")


class GpuFan(BaseModel):
    """NVML: nvmlDeviceGetFanSpeed_v2, nvmlDeviceGetFanSpeedRPM."""

    speed_percent: int | None = Field(description="as intended, percent of its maximum; may exceed 100")
    speed_rpm: int | None = Field(description="as measured, revolutions per minute")


class GpuNvLink(BaseModel):
    """NVML: nvmlDeviceGetNvLinkState, Version, RemotePciInfo, ErrorCounter; field values 138 and 139."""

    link: int = Field(description="number of the link")
    is_active: bool = Field(description="the link is up")
    version: int | None = Field(description="as NVML counts them")
    peer: str | None = Field(description="PCI bus id at the other end, or NVSwitch")
    tx_throughput_mbps: float | None = Field(description="leaving the GPU, MB/s of 1024 x 1024 bytes")
    rx_throughput_mbps: float | None = Field(description="entering the GPU, MB/s of 1024 x 1024 bytes")
    replay_errors: int | None = Field(description="packets sent again")
    recovery_errors: int | None = Field(description="times the link was recovered")
    crc_flit_errors: int | None = Field(description="flow control units with a wrong checksum")
    crc_data_errors: int | None = Field(description="data packets with a wrong checksum")


class GpuEcc(BaseModel):
    """NVML: nvmlDeviceGetTotalEccErrors. Volatile: since the driver was loaded; aggregate: ever."""

    corrected_volatile: int | None = Field(description="errors")
    uncorrected_volatile: int | None = Field(description="errors")
    corrected_aggregate: int | None = Field(description="errors")
    uncorrected_aggregate: int | None = Field(description="errors")


class GpuRetiredPages(BaseModel):
    """NVML: nvmlDeviceGetRetiredPages, nvmlDeviceGetRetiredPagesPendingStatus; before Ampere."""

    corrected: int | None = Field(description="pages with several corrected errors")
    uncorrected: int | None = Field(description="pages with an uncorrected error")
    pending: bool | None = Field(description="a page is retired with the next reset")


class GpuRemapBanks(BaseModel):
    """NVML: nvmlDeviceGetRowRemapperHistogram: memory banks by how many spare rows are left."""

    all: int = Field(description="banks with all of them")
    most: int = Field(description="banks with most of them")
    some: int = Field(description="banks with some of them")
    few: int = Field(description="banks with few of them")
    none: int = Field(description="banks with none")


class GpuRemappedRows(BaseModel):
    """NVML: nvmlDeviceGetRemappedRows; Ampere and newer."""

    corrected: int | None = Field(description="rows remapped for corrected errors")
    uncorrected: int | None = Field(description="rows remapped for uncorrected errors")
    pending: bool | None = Field(description="a row is remapped with the next reset")
    failed: bool | None = Field(description="a row could not be remapped")
    banks: GpuRemapBanks | None = Field(description="null: the driver does not tell")


class GpuXid(BaseModel):
    """One kind of XID error. NVML: nvmlEventSetWait_v2."""

    code: int = Field(description="XID")
    meaning: str = Field(description="by NVIDIA's catalogue")
    remedy: Remedy = Field(description="what helps, by NVIDIA's catalogue")
    times: int = Field(description="since the agent started")
    last_at: str = Field(description="ISO 8601 UTC")


class MigProcess(BaseModel):
    """A process on a MIG instance."""

    pid: int = Field(description="process id as the driver tells it")
    memory_mb: float | None = Field(description="MiB")


class GpuMigInstance(BaseModel):
    """NVML: nvmlDeviceGetMigDeviceHandleByIndex and its relatives."""

    mig_index: int = Field(description="index on this GPU")
    uuid: str | None = Field(description="NVML UUID, which CUDA understands")
    name: str | None = Field(description="with the profile, as NVML prints it")
    memory_total_mb: float | None = Field(description="MiB")
    memory_used_mb: float | None = Field(description="MiB")
    memory_free_mb: float | None = Field(description="MiB")
    processes: list[MigProcess] = Field(description="by pid")


class GpuFinding(BaseModel):
    """One reason of the verdict."""

    name: str = Field(description="for programs, as in remapping_pending")
    verdict: VerdictWord = Field(description="what it makes of the GPU")
    what: str = Field(description="what is wrong")
    todo: str = Field(description="what to do")


class GpuDetail(BaseModel):
    """What `/gpu?detail=1` adds."""

    board: GpuBoard
    modes: GpuModes
    temperatures: GpuTemperatures
    power: GpuPowerDetail
    clocks: GpuClockDetail
    engines: GpuEngines
    performance: GpuPerformance
    bar1: GpuBar1
    fan_count: int | None = Field(description="number of fans")
    fans: list[GpuFan] = Field(description="each of them")
    pcie_replays: int | None = Field(description="PCIe packets sent again, since the GPU was reset")
    nvlinks: list[GpuNvLink] | None = Field(description="null: the GPU has none, or the driver does not tell")
    ecc: GpuEcc
    retired_pages: GpuRetiredPages
    remapped_rows: GpuRemappedRows
    xids: list[GpuXid] | None = Field(description="the latest first; null: nobody listens for them")
    mig_instances: list[GpuMigInstance] = Field(description="empty: MIG is off, or there is none yet")
    findings: list[GpuFinding] = Field(description="all reasons of the verdict, the worst first")
