"""The host and its processes as /proc and psutil describe them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Scheduler(Enum):
    """A batch scheduler."""

    SLURM = "slurm"
    PBS = "pbs"  # OpenPBS, PBS Professional, Torque
    LSF = "lsf"
    OAR = "oar"
    NOMAD = "nomad"
    HTCONDOR = "htcondor"


class Job(NamedTuple):
    """A job of a scheduler. `id`: for Nomad the allocation, for HTCondor the slot of the job."""

    scheduler: Scheduler
    id: str
    name: str | None = None  # of Nomad the task


@dataclass(frozen=True, slots=True)
class Belonging:
    """The container, pod, unit, job and session of a process, by its cgroup and environment."""

    container_id: str | None = None  # of LXC the name, of a machine what machinectl calls it
    container_name: str | None = None  # by the cgroup (LXC, machines), the kubelet, or Podman's monitor
    pod_uid: str | None = None  # Kubernetes
    pod_name: str | None = None
    pod_namespace: str | None = None
    systemd_unit: str | None = None  # of the system, not of a user's session
    job: Job | None = None
    slurm_step: str | None = None
    user_session: str | None = None  # as loginctl lists it

    @property
    def slurm_job_id(self) -> str | None:
        """The id of a job of Slurm's."""
        return self.job.id if self.job and self.job.scheduler is Scheduler.SLURM else None


@dataclass(frozen=True, slots=True)
class HostProcess:
    """A process as in /proc; None: unknown. If the process is not visible here, `command` says so."""

    pid: int
    username: str | None = None  # the last known name of the owner; None also while it is looked up
    name: str | None = None
    command: str | None = None
    cpu_percent: float | None = None  # of one core; needs two readings
    memory_rss_bytes: int | None = None
    memory_percent: float | None = None  # resident memory over the host's
    running_seconds: float | None = None
    uid: int | None = None  # the owner's number, by which processes of one user are known to belong together
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


@dataclass(frozen=True, slots=True)
class ProcessesReading:
    """The host's processes at one moment (/proc)."""

    gpu_processes: Mapping[int, HostProcess] = field(default_factory=dict)  # by pid
    # The five largest by resident memory; None: some are hidden, or there are too many to look at.
    top_processes: tuple[HostProcess, ...] | None = None
