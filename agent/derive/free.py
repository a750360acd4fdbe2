"""Which GPUs can be taken, best first.

Unknown values are never estimated: a GPU that does not tell what a wish asks about is not offered for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from agent.derive.findings import HealthVerdict
from agent.derive.groups import GroupSearch
from agent.derive.health import examine
from agent.derive.health.fabric import pending_words
from agent.derive.unlisted import holds_unlisted_memory, works_unlisted
from agent.readings import NVSWITCH, ComputeMode, HostProcess, LedgerReading, ProcessType, Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agent.derive.health import Health
    from agent.readings import GpuReading, GpuSample, Snapshot


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants; None: does not matter."""

    count: int = 1
    min_free_memory_bytes: int | None = None
    max_utilization_percent: float | None = None  # with it, GPUs with compute processes are welcome too
    exclude_users: frozenset[str] = frozenset()  # names, or user numbers as text


@dataclass(frozen=True, slots=True)
class Candidate:
    """A GPU as somebody who looks for one sees it. None: unknown."""

    index: int
    uuid: str | None
    name: str | None
    obstacle: str | None  # why nobody can be offered it, whatever the wish
    memory_total_bytes: int | None
    memory_free_bytes: int | None
    temperature_celsius: int | None
    peak_utilization_percent: int | None  # maximum GPU utilization of the last 60 s
    compute_processes: int | None
    users: frozenset[str | None]  # of all its processes, graphics too; None among them: one is unknown
    uids: frozenset[str | None] = frozenset()  # their numbers as text, likewise; of some this is known alone
    nvlink_neighbours: frozenset[int] = frozenset()  # indices
    holds_unlisted_memory: bool = False  # memory is in use that no listed process accounts for
    works_unlisted: bool = False  # it works, and no process is listed
    has_ghost_utilization: bool = False  # it only seems to work


@dataclass(frozen=True, slots=True)
class Offer:
    """The GPUs for a wish, best first, and why each of the others is not among them."""

    wish: Wish
    gpus: tuple[Candidate, ...]  # at most as many as wished for
    unavailable: tuple[Candidate, ...]  # would do, but are reserved or withheld for others
    unsuitable: tuple[tuple[Candidate, str], ...]  # with the reason

    @property
    def satisfied(self) -> bool:
        """Whether there are as many as wished for."""
        return len(self.gpus) == self.wish.count

    @property
    def uuids(self) -> tuple[str, ...]:
        """Of the GPUs offered; each has one."""
        return tuple(gpu.uuid for gpu in self.gpus if gpu.uuid is not None)


def candidates(snapshot: Snapshot) -> tuple[Candidate, ...]:
    """Every GPU of the host."""
    health, neighbours = examine(snapshot), _neighbours(snapshot.gpus)
    return tuple(_candidate(gpu, snapshot, health[gpu.index], neighbours[gpu.index]) for gpu in snapshot.gpus)


def choose(gpus: Sequence[Candidate], wish: Wish, unavailable: Collection[str] = ()) -> Offer:
    """The best GPUs for a wish among all but the `unavailable` ones, by UUID."""
    reasons = [(gpu, why_not(gpu, wish)) for gpu in gpus]
    suitable = sorted((gpu for gpu, reason in reasons if reason is None), key=_rank)
    available = [gpu for gpu in suitable if gpu.uuid not in unavailable]
    # One without a compute process comes before any neighbour that has some, and a ghost after all others.
    chosen: list[Candidate] = []
    for _, equals in groupby(available, key=_class):
        chosen += _together([*equals], wish.count - len(chosen))
    return Offer(
        wish,
        tuple(chosen),
        tuple(gpu for gpu in suitable if gpu.uuid in unavailable),
        tuple((gpu, reason) for gpu, reason in reasons if reason is not None),
    )


def why_not(gpu: Candidate, wish: Wish) -> str | None:
    """Why this GPU is not for this wish; None: it is."""
    return (
        gpu.obstacle
        or _excluded(gpu, wish.exclude_users)
        or _too_busy(gpu, wish.max_utilization_percent)
        or _used_unlisted(gpu, wish.max_utilization_percent)
        or _too_full(gpu, wish.min_free_memory_bytes)
    )


def _excluded(gpu: Candidate, users: frozenset[str]) -> str | None:
    if (gpu.users | gpu.uids) & users:
        return "a user of exclude_users has a process on it"
    numbers = {user for user in users if user.isascii() and user.isdigit()}
    if (None in gpu.users and users - numbers) or (None in gpu.uids and numbers):
        return "the owner of a process on it is unknown"
    return None


def _too_busy(gpu: Candidate, limit_percent: float | None) -> str | None:
    if limit_percent is None:
        return "a compute process runs on it" if gpu.compute_processes else None
    if gpu.peak_utilization_percent is None:
        return "its utilization is unknown"
    if gpu.peak_utilization_percent > limit_percent:
        return "its utilization in the last minute is above max_utilization"
    return None


def _used_unlisted(gpu: Candidate, limit_percent: float | None) -> str | None:
    works = gpu.works_unlisted and limit_percent is None  # with a limit, that alone says what is too much
    return "in use by a process that is not listed" if works or gpu.holds_unlisted_memory else None


def _too_full(gpu: Candidate, wanted_bytes: int | None) -> str | None:
    if wanted_bytes is None:
        return None
    if gpu.memory_free_bytes is None:
        return "its free memory is unknown"
    return "it has less free memory than min_free_memory" if gpu.memory_free_bytes < wanted_bytes else None


def could_ever(gpus: Sequence[Candidate], wish: Wish) -> bool:
    """Whether the host has enough GPUs that would do, were nothing running on them."""
    wanted = wish.min_free_memory_bytes
    fit = (
        gpu.obstacle is None
        and (wanted is None or (gpu.memory_total_bytes is not None and gpu.memory_total_bytes >= wanted))
        for gpu in gpus
    )
    return sum(fit) >= wish.count


def _candidate(gpu: GpuSample, snapshot: Snapshot, health: Health, neighbours: frozenset[int]) -> Candidate:
    identity, reading = gpu.identity, gpu.reading
    processes = reading.processes if reading else None
    described = snapshot.host_processes
    owners = [described.get(process.pid) or HostProcess(process.pid) for process in processes or ()]
    present = reading.utilization.gpu_percent if reading else None
    # Where nothing is remembered (HISTORY_INTERVAL=0) the present is all there is.
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
    )


# What tells whether a GPU is in use, where it can tell at all.
_MUST_BE_TOLD = {"memory.used_bytes": "memory in use", "utilization.gpu_percent": "utilization"}


def _obstacle(gpu: GpuSample, health: Health) -> str | None:
    reading = gpu.reading
    if reading is None:
        return f"it cannot be read: {gpu.state}"
    if health.verdict is HealthVerdict.CRITICAL:
        return f"it is not healthy: {health.findings[0].what}"
    if (pending := pending_words(reading.fabric)) is not None:
        return f"its registration with the NVLink fabric {pending}"
    if gpu.identity.uuid is None:
        return "its UUID is unknown"
    if reading.mig.enabled:
        return "MIG is enabled: a program takes one of its instances"
    if reading.modes.compute_mode == ComputeMode.PROHIBITED:
        return "its compute mode is prohibited"
    if not reading.knows_all_processes:
        return "its processes are unknown"
    return _untold(reading)


def _untold(reading: GpuReading) -> str | None:
    """What of _MUST_BE_TOLD the driver could tell, and does not."""
    for field, name in _MUST_BE_TOLD.items():
        unknown = reading.unknown.get(field)
        if unknown is not None and unknown.reason is Reason.FAILED:
            return f"its {name} is unknown: {unknown.words}"
        if unknown is not None and unknown.reason is Reason.IMPOSSIBLE:
            return f"its {name} is unknown: the driver tells {unknown.words}"
    return None


def _neighbours(gpus: Sequence[GpuSample]) -> dict[int, frozenset[int]]:
    """By index, the GPUs that NVLink leads to, directly or through a switch; one end's word is enough."""
    indices = {gpu.identity.pci_bus_id: gpu.index for gpu in gpus}
    peers = {gpu.index: gpu.values.nvlink.peers or frozenset[str]() for gpu in gpus}
    switched = {index for index, buses in peers.items() if NVSWITCH in buses}
    found = {index: set(switched) if index in switched else set[int]() for index in peers}
    for index, buses in peers.items():
        for peer in {indices[bus] for bus in buses if bus in indices}:
            found[index].add(peer)
            found[peer].add(index)
    return {index: frozenset(neighbours - {index}) for index, neighbours in found.items()}


def _class(gpu: Candidate) -> tuple[bool, bool]:
    """Less is better, whatever else: no ghost utilization, no compute process."""
    return gpu.has_ghost_utilization, bool(gpu.compute_processes)


def _rank(gpu: Candidate) -> tuple[tuple[bool, bool], int, float, int]:
    """Less is better: its class, most free memory, coolest, lowest index; the unknown is last."""
    memory = -1 if gpu.memory_free_bytes is None else gpu.memory_free_bytes
    temperature = float("inf") if gpu.temperature_celsius is None else gpu.temperature_celsius
    return (_class(gpu), -memory, temperature, gpu.index)


def _together(gpus: Sequence[Candidate], count: int) -> list[Candidate]:
    """`count` of these GPUs, which come best first, in groups of NVLink neighbours as large as can be had."""
    if count < 2 or len(gpus) < 2:
        return [*gpus[: max(count, 0)]]
    chosen = _grouped(tuple((gpu.index, gpu.nvlink_neighbours) for gpu in gpus), count)
    return [gpus[position] for position in chosen]


@lru_cache(maxsize=64)  # those who wait ask again with each Snapshot, and many for as many GPUs
def _grouped(gpus: tuple[tuple[int, frozenset[int]], ...], count: int) -> tuple[int, ...]:
    """The positions of `count` GPUs, each given by its index and those of its neighbours."""
    bits = {index: 1 << position for position, (index, _) in enumerate(gpus)}
    links = [sum(bits.get(neighbour, 0) for neighbour in neighbours) for _, neighbours in gpus]
    return tuple(GroupSearch(links).together(count))
