"""`/processes`: one row for each process and GPU; unknown is null."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, Field

from agent.derive.holdings import holdings, indices_with_unknown_processes
from agent.derive.rounding import tenths, whole
from agent.views.envelope import success
from agent.views.pieces import MadeOnce, filled, to_json
from agent.views.units import mib

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from agent.derive.holdings import Holding
    from agent.readings import GpuSample, Job, Snapshot


class JobJson(BaseModel):
    """The job of a scheduler."""

    scheduler: Literal["slurm", "pbs", "lsf", "oar", "nomad", "htcondor"] = Field(
        description="the scheduler; pbs: OpenPBS, PBS Professional or Torque"
    )
    id: str = Field(
        description="id of the job; for Nomad of the allocation, for HTCondor the slot of the job"
    )
    name: str | None = Field(
        description="name of the job, from the environment of the process; for Nomad of the task"
    )


class ProcessRow(BaseModel):
    """One process on one GPU, or on one MIG instance of it. Unknown values are null."""

    idx: int = Field(description="NVML index of the GPU")
    uuid: str | None = Field(description="NVML UUID of the GPU")
    mig_index: int | None = Field(description="index of the MIG instance on its GPU; null: not on one")
    pid: int = Field(description="process id as reported by the driver")
    username: str | None = Field(description="user who owns the process")
    uid: int | None = Field(description="uid of that user")
    name: str | None = Field(description="name of the program")
    command: str | None = Field(description="command line")
    type: Literal["C", "G", "C+G"] = Field(description="compute, graphics, or both")
    mps: bool = Field(description="whether it is listed as a client of MPS, the Multi-Process Service")
    gpu_memory_mb: float | None = Field(description="GPU memory in use, MiB")
    sm_utilization_percent: int | None = Field(description="percent of the GPU's SM time")
    memory_utilization_percent: int | None = Field(
        description="percent of time in which its accesses kept the GPU's memory busy"
    )
    encoder_utilization_percent: int | None = Field(description="percent of the encoders' time")
    decoder_utilization_percent: int | None = Field(description="percent of the decoders' time")
    cpu_percent: float | None = Field(description="percent of one CPU core")
    host_memory_mb: float | None = Field(description="resident host memory, MiB")
    running_seconds: int | None = Field(description="time since the process started, seconds")
    first_seen: int | None = Field(
        description="when it was first seen on this GPU, milliseconds since the epoch"
    )
    gpu_seconds_held: float | None = Field(
        description="time for which the process was observed on this GPU, seconds"
    )
    gpu_seconds_used: float | None = Field(
        description="gpu_seconds_held multiplied by SM utilization, seconds"
    )
    idle_seconds: int | None = Field(
        description="time for which it has held memory on this GPU without work there, seconds; it begins"
        " anew after a time in which the process was not observed; null while the driver does not report"
        " whether it works"
    )
    idle_holder: bool | None = Field(description="whether idle_seconds is IDLE_HOLDER_MINUTES or more")
    container_id: str | None = Field(description="id of the innermost container, by its cgroup")
    container_name: str | None = Field(
        description="name of the container or machine: of LXC, systemd-nspawn and libvirt by the cgroup,"
        " of Kubernetes by the kubelet's logs, of Podman by the container's monitor"
    )
    pod_uid: str | None = Field(description="UID of the Kubernetes pod")
    pod_name: str | None = Field(description="name of the Kubernetes pod, by the kubelet's logs")
    pod_namespace: str | None = Field(description="namespace of the Kubernetes pod, by the kubelet's logs")
    systemd_unit: str | None = Field(description="system service")
    job: JobJson | None = Field(description="job of a scheduler, by the cgroup, else by the environment")
    slurm_job_id: str | None = Field(description="id of the job, if Slurm's")
    slurm_step: str | None = Field(
        description="step of the Slurm job: a number, batch, interactive or extern"
    )
    user_session: str | None = Field(
        description="login session as loginctl lists it; user@UID.service for what the user's manager runs"
    )


class Processes(BaseModel):
    """The processes on the selected GPUs."""

    processes: list[ProcessRow] = Field(
        description="one row for each process on each GPU, by GPU, MIG instance and pid"
    )
    unknown_idx: list[int] = Field(
        description="indices of the selected GPUs that may have unknown processes now; with user or idle also"
        " of those with a process of which it is unknown whether it belongs to the user, or is idle"
    )


class _Row(NamedTuple):
    """A row, and the values that it is selected by."""

    owner: tuple[str | None, str | None]  # name and number
    pid: int
    idle_holder: bool | None
    json: bytes

    def fits(self, user: str | None, pids: Container[int] | None, *, idle_only: bool) -> bool | None:
        """Whether it is wanted; None: that is unknown."""
        answers = (
            pids is None or self.pid in pids,
            user is None or self._is_of(user),
            not idle_only or self.idle_holder,
        )
        if False in answers:
            return False
        return None if None in answers else True

    def _is_of(self, user: str) -> bool | None:
        if user in self.owner:
            return True
        name, number = self.owner
        return None if (number if user.isdecimal() else name) is None else False


class ProcessesJson:
    """The JSON of `/processes` from one Snapshot, in its envelope."""

    def __init__(self, snapshot: Snapshot, idle_holder_seconds: float) -> None:
        self._snapshot = snapshot
        self._idle_holder_seconds = idle_holder_seconds
        self._rows: MadeOnce[_Row] = MadeOnce()

    def __call__(
        self,
        selected: Sequence[GpuSample],
        *,
        user: str | None = None,
        pids: Container[int] | None = None,
        idle_only: bool = False,
    ) -> Iterator[bytes]:
        """`selected` are the GPUs to list; `user` keeps the rows of one owner, by name or uid."""
        unknown = {*indices_with_unknown_processes(selected)}
        if user is not None or idle_only:
            for gpu in selected:
                for row in self._on(gpu):
                    if row.fits(user, pids, idle_only=idle_only) is None:
                        unknown.add(gpu.index)
                    yield b""  # an empty piece: the event loop can do other work here
        yield from filled(
            success(Processes(processes=[], unknown_idx=sorted(unknown))),
            processes=(
                row.json
                for gpu in selected
                for row in self._on(gpu)
                if row.fits(user, pids, idle_only=idle_only)
            ),
        )

    def _on(self, gpu: GpuSample) -> Iterator[_Row]:
        return self._rows.get(gpu.index, partial(self._rows_of, gpu))

    def _rows_of(self, gpu: GpuSample) -> Iterator[_Row]:
        for holding in holdings(self._snapshot, [gpu], self._idle_holder_seconds):
            host = holding.host
            owner = (host.username, None if host.uid is None else str(host.uid))
            yield _Row(owner, host.pid, holding.idle_holder, to_json(_row(holding)))


def _row(holding: Holding) -> ProcessRow:
    process, host, use = holding.process, holding.host, holding.use
    belonging = host.belonging
    return ProcessRow(
        idx=holding.gpu.index,
        uuid=holding.gpu.identity.uuid,
        mig_index=holding.mig_index,
        pid=process.pid,
        username=host.username,
        uid=host.uid,
        name=host.name,
        command=host.command,
        type=process.type.value,
        mps=process.mps,
        gpu_memory_mb=tenths(mib(process.gpu_memory_bytes)),
        sm_utilization_percent=process.sm_utilization_percent,
        memory_utilization_percent=process.memory_utilization_percent,
        encoder_utilization_percent=process.encoder_utilization_percent,
        decoder_utilization_percent=process.decoder_utilization_percent,
        cpu_percent=tenths(host.cpu_percent),
        host_memory_mb=tenths(mib(host.memory_rss_bytes)),
        running_seconds=whole(host.running_seconds),
        first_seen=whole(use.first_seen_at * 1000) if use else None,
        gpu_seconds_held=tenths(use.gpu_seconds_held) if use else None,
        gpu_seconds_used=tenths(use.gpu_seconds_used) if use else None,
        idle_seconds=whole(use.idle_seconds) if use else None,
        idle_holder=holding.idle_holder,
        container_id=belonging.container_id,
        container_name=belonging.container_name,
        pod_uid=belonging.pod_uid,
        pod_name=belonging.pod_name,
        pod_namespace=belonging.pod_namespace,
        systemd_unit=belonging.systemd_unit,
        job=_job(belonging.job),
        slurm_job_id=belonging.slurm_job_id,
        slurm_step=belonging.slurm_step,
        user_session=belonging.user_session,
    )


def _job(job: Job | None) -> JobJson | None:
    return JobJson(scheduler=job.scheduler.value, id=job.id, name=job.name) if job else None
