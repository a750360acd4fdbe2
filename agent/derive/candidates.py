"""Each GPU and each MIG instance of a Snapshot, as a candidate for `/free`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.derive.findings import HealthVerdict
from agent.derive.health import examine
from agent.derive.health.fabric import pending_words
from agent.derive.not_offered import is_kept_out
from agent.derive.unlisted import holds_unlisted_memory, works_unlisted
from agent.readings import (
    NVSWITCH,
    ComputeMode,
    GpuIdentity,
    GpuReading,
    GpuState,
    HostProcess,
    LedgerReading,
    Memory,
    ProcessType,
    Reason,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.derive.health import Health
    from agent.readings import GpuSample, MigInstance, Snapshot


@dataclass(frozen=True, slots=True)
class Candidate:
    """A GPU, or a MIG instance, that `/free` may offer. None: unknown."""

    index: int  # of the GPU, also for an instance on it
    uuid: str | None
    name: str | None
    obstacle: str | None  # why it is not offered for any wish
    memory_total_bytes: int | None
    memory_free_bytes: int | None
    temperature_celsius: int | None
    peak_utilization_percent: int | None  # maximum GPU utilization of the last 60 s
    compute_processes: int | None
    users: frozenset[str | None]  # users of all its processes, graphics too; None among them: one is unknown
    # Their uids as text, likewise; for some users only the uid is known.
    uids: frozenset[str | None] = frozenset()
    nvlink_neighbours: frozenset[int] = frozenset()  # indices
    holds_unlisted_memory: bool = False  # memory is in use that no listed process accounts for
    works_unlisted: bool = False  # it works, and no process is listed
    has_ghost_utilization: bool = False  # it reports high utilization that nothing explains
    is_asleep: bool = False  # it is idle, and wakes for a program that uses it
    is_held_exclusively: bool = False  # its compute mode allows one process, and one is there
    mig_index: int | None = None  # of an instance on its GPU; None: it is a GPU
    # In MIG mode: the candidates for a wish for instances; if it has none, the GPU itself with the reason.
    instances: tuple[Candidate, ...] = ()


KEPT_OUT = "kept out by the operator"
# If it is unknown whether it is kept out, it is not offered either.
MAY_BE_KEPT_OUT = "the UUID of the GPU is unknown, and NOT_OFFERED names some"


def candidates(snapshot: Snapshot) -> tuple[Candidate, ...]:
    """Every GPU of the host."""
    health, neighbours = examine(snapshot), _neighbours(snapshot.gpus)
    found = []
    for gpu in snapshot.gpus:
        one = _candidate(gpu, snapshot, health[gpu.index], neighbours[gpu.index])
        if gpu.reading is not None and gpu.reading.mig.enabled:
            one = replace(one, instances=_instances(one, gpu, gpu.reading, snapshot, health[gpu.index]))
        found.append(_apply_not_offered(is_kept_out(gpu, snapshot), one))
    return tuple(found)


def _apply_not_offered(is_out: bool | None, whole: Candidate) -> Candidate:
    """The candidate and its instances after NOT_OFFERED, whose reason comes before all others."""
    if is_out is False:
        return whole

    def marked(one: Candidate) -> Candidate:
        return replace(one, obstacle=KEPT_OUT if is_out else one.obstacle or MAY_BE_KEPT_OUT)

    return replace(marked(whole), instances=tuple(marked(one) for one in whole.instances))


def _candidate(gpu: GpuSample, snapshot: Snapshot, health: Health, neighbours: frozenset[int]) -> Candidate:
    identity, reading = gpu.identity, gpu.reading
    processes = reading.processes if reading else None
    described = snapshot.host_processes
    owners = [described.get(process.pid) or HostProcess(process.pid) for process in processes or ()]
    present = reading.utilization.gpu_percent if reading else None
    # Without a history (HISTORY_INTERVAL=0) only the present sample counts.
    ledger = snapshot.ledger or LedgerReading()
    uuid = identity.uuid or ""
    is_ghost = ledger.ghost_utilization.get(uuid, False)
    unlisted_peak = ledger.unlisted_peak_utilization_percent.get(uuid, present)
    return Candidate(
        index=gpu.index,
        uuid=identity.uuid,
        name=identity.name,
        obstacle=_obstacle(gpu, health),
        memory_total_bytes=gpu.values.memory.total_bytes,
        memory_free_bytes=reading.memory.free_bytes if reading else None,
        temperature_celsius=reading.thermal.gpu_celsius if reading else None,
        peak_utilization_percent=ledger.peak_utilization_percent.get(uuid, present),
        compute_processes=None
        if processes is None
        else sum(process.type is not ProcessType.GRAPHICS for process in processes),
        users=frozenset(owner.username for owner in owners),
        uids=frozenset(None if owner.uid is None else str(owner.uid) for owner in owners),
        nvlink_neighbours=neighbours,
        holds_unlisted_memory=reading is not None and holds_unlisted_memory(reading),
        works_unlisted=reading is not None and not is_ghost and works_unlisted(reading, unlisted_peak),
        has_ghost_utilization=is_ghost,
        is_asleep=gpu.state is GpuState.ASLEEP,
        is_held_exclusively=reading is not None and _is_held_exclusively(reading),
    )


def _is_held_exclusively(reading: GpuReading) -> bool:
    """Whether exclusive compute mode blocks it.

    Not if MPS has clients: its server is the one process, and accepts more clients.
    """
    held = [process for process in reading.processes or () if process.type is not ProcessType.GRAPHICS]
    one_alone = (ComputeMode.EXCLUSIVE_THREAD, ComputeMode.EXCLUSIVE_PROCESS)
    return reading.modes.compute_mode in one_alone and bool(held) and not any(process.mps for process in held)


def _instances(
    whole: Candidate, gpu: GpuSample, reading: GpuReading, snapshot: Snapshot, health: Health
) -> tuple[Candidate, ...]:
    instances = reading.mig.instances
    if not instances:
        why = "its instances are unknown" if instances is None else "it has no instance"
        return (replace(whole, obstacle=f"MIG is enabled, and {why}"),)
    found = []
    for instance in instances:
        alone = _as_gpu(instance, reading)
        one = _candidate(replace(gpu, reading=alone), snapshot, health, neighbours=frozenset())
        # Memory that several instances share is accounted for by the processes on any of them.
        together = [other.processes for other in instances if _share_memory(instance, other)]
        if None in together and one.obstacle is None:
            one = replace(one, obstacle="the processes of an instance that shares its memory are unknown")
        listed = tuple(process for processes in together for process in processes or ())
        holds_unlisted = holds_unlisted_memory(replace(alone, processes=listed))
        found.append(replace(one, mig_index=instance.mig_index, holds_unlisted_memory=holds_unlisted))
    return tuple(found)


def _share_memory(one: MigInstance, other: MigInstance) -> bool:
    """Whether they are in one GPU instance, whose memory they share."""
    return one is other or (one.gpu_instance_id is not None and one.gpu_instance_id == other.gpu_instance_id)


def _as_gpu(instance: MigInstance, reading: GpuReading) -> GpuReading:
    """The instance as a GPU, which it is for a program. Its utilization is not reported."""
    unknown = {field: why for field, why in reading.unknown.items() if field in _SHARED_VALUES}
    is_known = None not in (instance.memory_total_bytes, instance.memory_used_bytes)
    if not is_known and "mig.instances" in reading.unknown:
        unknown["memory.used_bytes"] = reading.unknown["mig.instances"]
    return GpuReading(
        reading.sampled_since_boot,
        identity=GpuIdentity(instance.uuid, instance.name),
        memory=Memory(instance.memory_total_bytes, instance.memory_used_bytes, instance.memory_free_bytes),
        thermal=reading.thermal,
        fabric=reading.fabric,
        modes=reading.modes,
        processes=instance.processes,
        unknown=unknown,
    )


# Values that apply to a GPU and its instances, and show whether CUDA starts there.
_SHARED_VALUES = {"modes.compute_mode": "compute mode", "fabric.state": "state in the NVLink fabric"}
# Values that show whether a GPU can be used, or is in use, if the driver can report them.
_REQUIRED_VALUES = {
    "memory.used_bytes": "memory in use",
    "utilization.gpu_percent": "utilization",
    "mig.enabled": "MIG mode",
    **_SHARED_VALUES,
}


def _obstacle(gpu: GpuSample, health: Health) -> str | None:
    if gpu.state is GpuState.ASLEEP and gpu.before is not None:
        obstacle = _obstacle(gpu.as_last_read, health)
        return None if obstacle is None else f"{obstacle}, when last read"
    reading = gpu.reading
    if reading is None and gpu.state is not GpuState.ASLEEP:
        return f"it cannot be read: {gpu.state}"
    if health.verdict is HealthVerdict.CRITICAL:
        return f"it is not healthy: {health.findings[0].what}"
    if reading is None:
        return "its UUID is unknown" if gpu.identity.uuid is None else None
    if (pending := pending_words(reading.fabric)) is not None:
        return f"its registration with the NVLink fabric {pending}"
    if gpu.identity.uuid is None:
        return "its UUID is unknown"
    if reading.mig.enabled:
        return "MIG is enabled: programs use one of its instances"
    if reading.modes.compute_mode == ComputeMode.PROHIBITED:
        return "its compute mode is prohibited"
    if not reading.knows_all_processes:
        return "its processes are unknown"
    return _missing_value(reading)


def _missing_value(reading: GpuReading) -> str | None:
    """The value of _REQUIRED_VALUES that the driver could report, but does not."""
    for field, name in _REQUIRED_VALUES.items():
        unknown = reading.unknown.get(field)
        if unknown is not None and unknown.reason in (Reason.FAILED, Reason.NO_PERMISSION):
            return f"its {name} is unknown: {unknown.words}"
        if unknown is not None and unknown.reason is Reason.IMPOSSIBLE:
            return f"its {name} is unknown: the driver reports {unknown.words}"
    return None


def _neighbours(gpus: Sequence[GpuSample]) -> dict[int, frozenset[int]]:
    """By index, the GPUs connected by NVLink, directly or through a switch; one end's report is enough."""
    indices = {gpu.identity.pci_bus_id: gpu.index for gpu in gpus}
    peers = {gpu.index: gpu.values.nvlink.peers or frozenset[str]() for gpu in gpus}
    switched = {index for index, buses in peers.items() if NVSWITCH in buses}
    found = {index: set(switched) if index in switched else set[int]() for index in peers}
    for index, buses in peers.items():
        for peer in {indices[bus] for bus in buses if bus in indices}:
            found[index].add(peer)
            found[peer].add(index)
    return {index: frozenset(neighbours - {index}) for index, neighbours in found.items()}
