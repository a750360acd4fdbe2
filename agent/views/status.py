"""`/status`: strings with units, and "N/A" for an unknown value (only here)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

from agent.derive.health import examine
from agent.derive.holdings import processes_on
from agent.derive.host_health import examine_host
from agent.derive.rounding import percent, tenths, whole
from agent.readings import GpuProcess, GpuSample, GpuState, HostProcess, MigInstance
from agent.views.envelope import success
from agent.views.health import Verdict, verdict_word
from agent.views.pieces import MadeOnce, filled, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.derive.health import Health
    from agent.readings import Snapshot

NA: Literal["N/A"] = "N/A"
NotAvailable = Literal["N/A"]
# Each is a schema of its own in the OpenAPI document, and so a type of its own in a generated client.
IntegerOrNA = TypeAliasType(
    "IntegerOrNA", Annotated[int | NotAvailable, Field(description="a whole number; N/A: unknown")]
)
NumberOrNA = TypeAliasType(
    "NumberOrNA", Annotated[float | NotAvailable, Field(description="a number; N/A: unknown")]
)
VerdictOrNA = TypeAliasType(
    "VerdictOrNA", Annotated[Verdict | NotAvailable, Field(description="a verdict; N/A: unknown")]
)
ProcessFilter = Literal["C", "G", "NA"]


class StatusHealth(BaseModel):
    """The verdict on a GPU or on the host."""

    verdict: VerdictOrNA = Field(description="N/A: not known yet")
    reasons: list[str] = Field(description="the worst first: what is wrong, and what to do")


class StatusDevice(BaseModel):
    """One GPU, or with `mig=1` one MIG instance of it. An unknown value is "N/A"."""

    idx: int = Field(description="NVML index; of the parent for a MIG instance")
    name: str = Field(description="product name")
    fan_speed: IntegerOrNA = Field(
        description="speed of the first fan, percent of its maximum; may exceed 100"
    )
    temperature: IntegerOrNA = Field(description="temperature of the GPU core, degrees Celsius")
    power_status: str = Field(description='power draw and limit in watts: "119W / 350W"')
    gpu_utilization: IntegerOrNA = Field(description="percent of time in which a kernel ran")
    memory_total_human: str = Field(description='total memory in whole MiB: "24576MiB"')
    memory_used_human: str = Field(
        description="memory in use, without what the driver reserves, in whole MiB"
    )
    memory_free_human: str = Field(description="free memory in whole MiB")
    memory_utilization: IntegerOrNA = Field(description="used of total memory, percent")
    ts: IntegerOrNA = Field(description="when this GPU was sampled, milliseconds since the epoch")
    uuid: str = Field(description="NVML UUID")
    state: GpuState = Field(description="whether the values are live, old or missing")
    age_ms: IntegerOrNA = Field(description="age of the last reading when the answer was made, milliseconds")
    health: StatusHealth
    error: str | None = Field(default=None, description="only where the GPU could not be read: why")
    mig_index: int | None = Field(default=None, description="only for a MIG instance: its index on its GPU")
    gpu_instance_id: IntegerOrNA | None = Field(
        default=None,
        description="only for a MIG instance: id of its GPU instance; instances with the same id share"
        " their memory",
    )
    compute_instance_id: IntegerOrNA | None = Field(
        default=None, description="only for a MIG instance: id of its compute instance in its GPU instance"
    )


class StatusProcess(BaseModel):
    """One process on one GPU. An unknown value is "N/A"."""

    idx: int = Field(description="NVML index of the GPU")
    pid: int = Field(description="process id as reported by the driver")
    username: str = Field(description="user who owns the process")
    command: str = Field(description="command line")
    type: Literal["C", "G", "C+G", "NA"] = Field(description="compute, graphics, both, or unknown")
    gpu_memory: str = Field(description="GPU memory in use, whole MiB")
    running_time: str = Field(description="time since the process started: H:MM:SS, hours unbounded")
    gpu_sm_utilization: IntegerOrNA = Field(description="percent of the GPU's SM time")
    cpu_percent: NumberOrNA = Field(description="percent of one CPU core")
    host_memory: str = Field(description="resident host memory, whole MiB")
    mig_index: int | None = Field(default=None, description="only with mig=1, on a MIG instance: its index")


class Status(BaseModel):
    """Every selected GPU and the processes on it."""

    count: int = Field(description="number of visible GPUs, whatever idx selects")
    devices: list[StatusDevice] = Field(description="the listed GPUs, in the order of their index")
    processes: list[StatusProcess] = Field(description="the processes on the listed GPUs, by GPU, then pid")
    health: StatusHealth = Field(description="verdict on the host: whether all its GPUs are there")


class StatusJson:
    """The JSON of `/status` from one Snapshot, in its envelope; fields that are not set are left out."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._made_devices: MadeOnce[bytes] = MadeOnce()
        self._made_processes: MadeOnce[tuple[str, bytes]] = MadeOnce()  # type and JSON

    def __call__(
        self, selected: Sequence[GpuSample], process: ProcessFilter | None, *, mig: bool
    ) -> Iterator[bytes]:
        """`selected` are the GPUs to list; `process` keeps one type; `mig` lists a GPU's instances for it."""
        shell = Status(
            count=len(self._snapshot.gpus),
            devices=[],
            processes=[],
            health=_health(examine_host(self._snapshot)),
        )
        return filled(
            success(shell),
            devices=(
                piece
                for gpu in selected
                for piece in self._made_devices.get((gpu.index, mig), partial(self._devices, gpu, mig=mig))
            ),
            processes=(
                piece
                for gpu in selected
                for type_, piece in self._made_processes.get(
                    (gpu.index, mig), partial(self._processes, gpu, mig=mig)
                )
                if process is None or process in type_.split("+")
            ),
        )

    def _devices(self, gpu: GpuSample, *, mig: bool) -> Iterator[bytes]:
        return (to_json(device) for device in _devices(gpu, examine(self._snapshot)[gpu.index], mig=mig))

    def _processes(self, gpu: GpuSample, *, mig: bool) -> Iterator[tuple[str, bytes]]:
        described = self._snapshot.host_processes
        for mig_index, process in _processes(gpu, mig=mig):
            entry = _process(gpu.index, mig_index, process, described.get(process.pid))
            yield process.type, to_json(entry)


def _devices(gpu: GpuSample, health: Health, *, mig: bool) -> Iterator[StatusDevice]:
    instances = gpu.reading.mig.instances if gpu.reading and mig else ()
    if instances:
        for instance in instances:
            yield _mig_device(gpu, health, instance)
    else:
        yield _device(gpu, health)


def _device(gpu: GpuSample, health: Health) -> StatusDevice:
    identity = gpu.identity
    reading = gpu.values
    device = StatusDevice(
        idx=gpu.index,
        name=_text(identity.name),
        fan_speed=_number(reading.fans.speed_percent),
        temperature=_number(reading.thermal.gpu_celsius),
        power_status=f"{_watts(reading.power.usage_watts)} / {_watts(reading.power.limit_watts)}",
        gpu_utilization=_number(reading.utilization.gpu_percent),
        memory_total_human=_mib(reading.memory.total_bytes),
        memory_used_human=_mib(reading.memory.used_bytes),
        memory_free_human=_mib(reading.memory.free_bytes),
        memory_utilization=_number(whole(percent(reading.memory.used_bytes, reading.memory.total_bytes))),
        ts=_number(None if gpu.sampled_at is None else int(gpu.sampled_at * 1000)),
        uuid=_text(identity.uuid),
        state=gpu.state,
        age_ms=_number(gpu.age_ms),
        health=_health(health),
    )
    if gpu.error is not None:
        device.error = gpu.error
    return device


def _health(health: Health) -> StatusHealth:
    return StatusHealth(verdict=verdict_word(health) or NA, reasons=health.reasons)


def _mig_device(gpu: GpuSample, health: Health, instance: MigInstance) -> StatusDevice:
    device = _device(gpu, health)
    device.name = _text(instance.name)
    device.uuid = _text(instance.uuid)
    device.memory_total_human = _mib(instance.memory_total_bytes)
    device.memory_used_human = _mib(instance.memory_used_bytes)
    device.memory_free_human = _mib(instance.memory_free_bytes)
    device.memory_utilization = _number(
        whole(percent(instance.memory_used_bytes, instance.memory_total_bytes))
    )
    device.gpu_utilization = NA  # the driver does not report it for an instance
    device.power_status = f"{NA} / {NA}"  # the board's power is not the instance's
    device.mig_index = instance.mig_index
    device.gpu_instance_id = _number(instance.gpu_instance_id)
    device.compute_instance_id = _number(instance.compute_instance_id)
    return device


def _processes(gpu: GpuSample, *, mig: bool) -> Iterable[tuple[int | None, GpuProcess]]:
    return processes_on(gpu) if mig else [(None, process) for process in gpu.values.processes or ()]


def _process(
    idx: int, mig_index: int | None, process: GpuProcess, described: HostProcess | None
) -> StatusProcess:
    host = described or HostProcess(process.pid)
    entry = StatusProcess(
        idx=idx,
        pid=process.pid,
        username=_text(host.username),
        command=_text(host.command),
        type=process.type.value,
        gpu_memory=_mib(process.gpu_memory_bytes),
        running_time=_running_time(host.running_seconds),
        gpu_sm_utilization=_number(process.sm_utilization_percent),
        cpu_percent=NA if host.cpu_percent is None else tenths(host.cpu_percent),
        host_memory=_mib(host.memory_rss_bytes),
    )
    if mig_index is not None:
        entry.mig_index = mig_index
    return entry


def _text(value: str | None) -> str:
    return NA if value is None else value


def _number(value: int | None) -> int | NotAvailable:
    return NA if value is None else value


def _mib(value: int | None) -> str:
    return NA if value is None else f"{whole(value / 1024**2)}MiB"


def _watts(value: float | None) -> str:
    return NA if value is None else f"{whole(value)}W"


def _running_time(seconds: float | None) -> str:
    if seconds is None:
        return NA
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
