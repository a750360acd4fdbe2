"""The processes on the GPUs, and what each user holds."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from agent.derive.rounding import sum_if_all_known
from agent.derive.unlisted import may_have_unknown_processes
from agent.readings import HostProcess, UserUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agent.readings import GpuProcess, GpuSample, ProcessUse, Snapshot


@dataclass(frozen=True, slots=True)
class Holding:
    """One process on one GPU, or on one MIG instance of it, with all that is known about it."""

    gpu: GpuSample
    mig_index: int | None
    process: GpuProcess
    host: HostProcess
    use: ProcessUse | None = None  # None: nothing is remembered
    idle_holder: bool | None = None  # None: its utilization is not reported


@dataclass(frozen=True, slots=True)
class UserHoldings:
    """What one user holds now, and the GPU time. None: unknown."""

    username: str | None  # None: those whose owner is unknown
    uid: int | None  # None also if several users have had the name
    processes: int
    gpus: tuple[int, ...]  # indices
    gpu_memory_bytes: int | None
    sm_utilization_percent: float | None  # mean over these GPUs; unknown if any process's is
    use: UserUse | None  # None: nothing is remembered
    idle: tuple[Holding, ...] | None  # the known idle holders; None: it is not reported whether any is


def holdings(snapshot: Snapshot, gpus: Iterable[GpuSample], idle_after_seconds: float) -> list[Holding]:
    """The processes on these GPUs, by GPU and pid; a MIG GPU's by instance."""
    hosts = snapshot.host_processes
    uses = snapshot.ledger.processes if snapshot.ledger else {}
    found = []
    for gpu in gpus:
        for mig_index, process in processes_on(gpu):
            use = uses.get((gpu.identity.uuid or "", process.pid))
            idle = use.idle_seconds if use else None
            found.append(
                Holding(
                    gpu,
                    mig_index,
                    process,
                    hosts.get(process.pid) or HostProcess(process.pid),
                    use,
                    None if idle is None else idle >= idle_after_seconds,
                )
            )
    return found


def indices_with_unknown_processes(gpus: Iterable[GpuSample]) -> list[int]:
    """The indices of those of these GPUs on which a process may be unknown now."""
    return [gpu.index for gpu in gpus if may_have_unknown_processes(gpu.reading)]


def by_user(held: Iterable[Holding], uses: Mapping[str | None, UserUse] | None) -> list[UserHoldings]:
    """Every user who holds or has held GPUs, by name; last, if there are any, the unknown owners.

    `uses` are the totals since the start; None: nothing is remembered.
    """
    by_name: dict[str | None, list[Holding]] = {name: [] for name in uses or ()}
    for holding in held:
        by_name.setdefault(holding.host.username, []).append(holding)
    names = sorted(by_name, key=lambda name: (name is None, name or ""))
    return [
        _user(name, by_name[name], None if uses is None else uses.get(name) or UserUse(gpu_seconds_held=0.0))
        for name in names
        if by_name[name] or name is not None
    ]


def memory_bytes(held: Iterable[Holding]) -> int | None:
    """GPU memory of all of them; unknown if that of any is unknown."""
    total = sum_if_all_known(*(holding.process.gpu_memory_bytes for holding in held))
    return None if total is None else int(total)


def processes_on(gpu: GpuSample) -> Iterator[tuple[int | None, GpuProcess]]:
    """The processes on a GPU, by pid; each with its MIG instance's index where there are instances."""
    reading = gpu.reading
    if reading is not None and reading.mig.instances:
        for instance in reading.mig.instances:
            for process in instance.processes or ():
                yield instance.mig_index, process
    elif reading is not None:
        for process in reading.processes or ():
            yield None, process


def _user(name: str | None, held: Sequence[Holding], use: UserUse | None) -> UserHoldings:
    by_gpu: dict[int, list[int | None]] = {}
    uids = {*(use.uids if use else ()), *(holding.host.uid for holding in held)}
    for holding in held:
        by_gpu.setdefault(holding.gpu.index, []).append(holding.process.sm_utilization_percent)
    # The newest samples of processes need not be of the same moment: the sum may exceed 100.
    sums = [sum_if_all_known(*percents) for percents in by_gpu.values()]
    utilizations = [min(100, percent) for percent in sums if percent is not None]
    idle = tuple(holding for holding in held if holding.idle_holder)
    # That none is idle is known only if it is known for every process.
    is_known = use is not None and (idle or all(holding.idle_holder is not None for holding in held))
    return UserHoldings(
        username=name,
        uid=uids.pop() if name is not None and len(uids) == 1 else None,
        processes=len({holding.process.pid for holding in held}),
        gpus=tuple(sorted(by_gpu)),
        gpu_memory_bytes=memory_bytes(held),
        sm_utilization_percent=fmean(utilizations)
        if utilizations and len(utilizations) == len(sums)
        else None,
        use=use,
        idle=idle if is_known else None,
    )
