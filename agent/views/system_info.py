"""The host in `/gpu`. An unknown value is null, never 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.rounding import tenths, whole
from agent.readings import DiskIo, DriverReading, HostReading
from agent.views.top_process import TopProcess
from agent.views.units import gib, mib

if TYPE_CHECKING:
    from agent.readings import HostProcess, ProcessesReading


class Cpu(BaseModel):
    """CPU of the host; percentages since the previous sample."""

    cpu_count_physical: int | None = Field(description="number of physical cores")
    cpu_count_logical: int | None = Field(description="number of hardware threads")
    cpu_percent: float | None = Field(
        description="utilization of all cores together, percent; null until there are two samples"
    )
    cpu_per_core_percent: list[float] | None = Field(
        description="utilization of each core, percent; null: there are not two samples yet"
    )
    cpu_freq_current_mhz: float | None = Field(description="mean frequency of the cores, MHz")
    cpu_freq_min_mhz: float | None = Field(description="mean of the lowest frequencies of the cores, MHz")
    cpu_freq_max_mhz: float | None = Field(description="mean of the highest frequencies of the cores, MHz")


class HostMemory(BaseModel):
    """Memory of the host."""

    total_mb: int | None = Field(description="memory of the host, MiB")
    available_mb: int | None = Field(description="memory available to programs without swapping, MiB")
    used_mb: int | None = Field(description="memory that is not available, MiB")
    percent: float | None = Field(description="used of total memory, percent")
    cached_mb: int | None = Field(description="page cache, MiB")
    buffers_mb: int | None = Field(description="block buffers, MiB")
    top_processes: list[TopProcess] | None = Field(
        description="the five largest by resident memory; every 10 s. null: they were not read yet, some"
        " processes are hidden (hidepid), or there are too many to look at"
    )


class DiskRates(BaseModel):
    """All physical disks, each counted once; rates are null until there are two samples."""

    read_bytes_per_sec: float | None = Field(description="read, bytes per second")
    write_bytes_per_sec: float | None = Field(description="written, bytes per second")
    read_ops_per_sec: float | None = Field(description="read operations per second")
    write_ops_per_sec: float | None = Field(description="write operations per second")
    total_read_bytes: int | None = Field(description="bytes read since boot")
    total_write_bytes: int | None = Field(description="bytes written since boot")
    total_read_ops: int | None = Field(description="read operations since boot")
    total_write_ops: int | None = Field(description="write operations since boot")


class SystemInfo(BaseModel):
    """Driver and host."""

    hostname: str | None = Field(description="NODE_NAME, or else the host name of the system")
    driver_version: str | None = Field(description="version of the NVIDIA driver")
    cuda_version: str | None = Field(description="newest CUDA version that the driver supports")
    nvml_version: str | None = Field(description="version of the NVML library")
    cpu: Cpu
    memory: HostMemory
    disk_used_gb: float | None = Field(description="disk space in use on local file systems, GiB")
    disk_available_gb: float | None = Field(
        description="disk space available to ordinary users on local file systems, GiB"
    )
    disk_io: DiskRates
    temperature_celsius: float | None = Field(
        description="temperature of the host's hottest sensor, degrees Celsius"
    )


def system_info_view(
    driver: DriverReading, reading: HostReading | None, processes: ProcessesReading | None
) -> SystemInfo:
    """The wire shape of the host; all null while it has not been read."""
    host = reading or HostReading(hostname="")
    return SystemInfo(
        hostname=host.hostname or None,
        driver_version=driver.driver_version,
        cuda_version=driver.cuda_version,
        nvml_version=driver.nvml_version,
        cpu=Cpu(
            cpu_count_physical=host.cpu_count_physical,
            cpu_count_logical=host.cpu_count_logical,
            cpu_percent=tenths(host.cpu_percent),
            cpu_per_core_percent=None
            if host.cpu_per_core_percent is None
            else [tenths(core) for core in host.cpu_per_core_percent],
            cpu_freq_current_mhz=tenths(host.cpu_freq_current_mhz),
            cpu_freq_min_mhz=tenths(host.cpu_freq_min_mhz),
            cpu_freq_max_mhz=tenths(host.cpu_freq_max_mhz),
        ),
        memory=HostMemory(
            total_mb=whole(mib(host.memory_total_bytes)),
            available_mb=whole(mib(host.memory_available_bytes)),
            used_mb=whole(mib(host.memory_used_bytes)),
            percent=tenths(host.memory_percent),
            cached_mb=whole(mib(host.memory_cached_bytes)),
            buffers_mb=whole(mib(host.memory_buffers_bytes)),
            top_processes=None
            if processes is None or processes.top_processes is None
            else [_top_process(process) for process in processes.top_processes],
        ),
        disk_used_gb=tenths(gib(host.disk_used_bytes)),
        disk_available_gb=tenths(gib(host.disk_available_bytes)),
        disk_io=_disk_rates(host.disk_io),
        temperature_celsius=tenths(host.temperature_celsius),
    )


def _disk_rates(disk_io: DiskIo) -> DiskRates:
    return DiskRates(
        read_bytes_per_sec=tenths(disk_io.read_bytes_per_second),
        write_bytes_per_sec=tenths(disk_io.write_bytes_per_second),
        read_ops_per_sec=tenths(disk_io.read_ops_per_second),
        write_ops_per_sec=tenths(disk_io.write_ops_per_second),
        total_read_bytes=disk_io.total_read_bytes,
        total_write_bytes=disk_io.total_write_bytes,
        total_read_ops=disk_io.total_read_ops,
        total_write_ops=disk_io.total_write_ops,
    )


def _top_process(process: HostProcess) -> TopProcess:
    return TopProcess(
        pid=process.pid,
        name=process.name,
        username=process.username,
        memory_mb=tenths(mib(process.memory_rss_bytes)),
        memory_percent=tenths(process.memory_percent),
    )
