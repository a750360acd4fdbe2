"""The share of each user in one GPU at one moment, the sums over time, and the hours from these sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.derive.rounding import sum_if_all_known
from agent.derive.unlisted import may_have_unknown_processes
from agent.readings import UsageSums

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent.readings import GpuProcess, GpuReading, MigInstance

_SECONDS = 3600  # of an hour
_JOULES = 3.6e6  # of a kWh


class Part(NamedTuple):
    """The part of one GPU that a user holds at one moment."""

    share: float  # of the GPU: 1.0, or that of MIG instances
    used: float | None = None  # SM time in use, at most `share`; None: not reported
    is_idle: bool | None = None  # no process does any work; None: not reported
    memory_bytes: int | None = None  # None: not reported


class Parts(NamedTuple):
    """The parts of one GPU by user. `is_whole`: all users of it are known, each with the share."""

    by_owner: Mapping[int | None, Part]  # by uid; None: unknown owners together
    all: Part  # what they hold together, with all memory in use
    is_whole: bool

    @property
    def nobody(self) -> Part:
        """The total of a GPU that no user holds."""
        return Part(0.0, memory_bytes=self.all.memory_bytes)


class _Place(NamedTuple):
    """A process, and where on the GPU it is."""

    process: GpuProcess
    instance: object  # which GPU instance; None: the whole GPU
    share: float  # of the GPU


def parts_of(reading: GpuReading, owners: Mapping[int, int | None]) -> Parts | None:
    """The parts by user; `owners` has the uid of each process by pid. None: no list of processes is reported.

    If the share of a MIG instance is not reported, its processes count for nobody.
    """
    if reading.processes is None:
        return None
    places = list(_places(reading))
    by_owner: dict[int | None, list[_Place]] = {}
    for place in places:
        by_owner.setdefault(owners.get(place.process.pid), []).append(place)
    placed = {place.process.pid for place in places}
    return Parts(
        {owner: _part(theirs) for owner, theirs in by_owner.items()},
        _part(places)._replace(memory_bytes=reading.memory.used_bytes),
        not may_have_unknown_processes(reading)
        and all(process.pid in placed for process in reading.processes),
    )


def counted(sums: UsageSums, part: Part, seconds: float) -> UsageSums:
    """The sums after further `seconds`, at the end of which a user had this part."""
    held = part.share * seconds
    is_known, knows_memory = part.used is not None, part.memory_bytes is not None
    memory = part.memory_bytes or 0
    return UsageSums(
        sums.held_seconds + held,
        sums.told_seconds + (held if is_known else 0.0),
        sums.used_seconds + (part.used or 0.0) * seconds,
        sums.idle_seconds + (held if part.is_idle else 0.0),
        sums.memory_seconds + (seconds if knows_memory else 0.0),
        sums.memory_byte_seconds + memory * seconds,
        max(sums.memory_peak_bytes, memory),
    )


class Usage(NamedTuple):
    """Hours from sums; None: nothing was reported. Hours are never scaled up to time without a report."""

    hours_held: float | None
    hours_told: float
    hours_used: float | None
    hours_idle: float | None
    memory_mean_bytes: float | None  # on one GPU
    memory_peak_bytes: int | None


def usage_of(sums: UsageSums, *, watched: bool) -> Usage:
    """The sums in hours. `watched`: whether all processes were known at any time, so that 0 means 0."""
    is_known, knows_memory = sums.told_seconds > 0, sums.memory_seconds > 0
    return Usage(
        sums.held_seconds / _SECONDS if watched or sums.held_seconds > 0 else None,
        sums.told_seconds / _SECONDS,
        sums.used_seconds / _SECONDS if is_known else None,
        sums.idle_seconds / _SECONDS if is_known else None,
        sums.memory_byte_seconds / sums.memory_seconds if knows_memory else None,
        sums.memory_peak_bytes if knows_memory else None,
    )


def hours(seconds: float) -> float:
    """Hours from seconds."""
    return seconds / _SECONDS


def kwh(joules: float | None) -> float | None:
    """kWh from joules; unknown stays unknown."""
    return None if joules is None else joules / _JOULES


def _places(reading: GpuReading) -> Iterator[_Place]:
    if reading.mig.enabled:
        for instance in reading.mig.instances or ():
            share = _share(instance, reading.memory.total_bytes)
            if share is not None:
                # Compute instances of one GPU instance share its memory.
                number = instance.gpu_instance_id
                which = ("of NVML", instance.mig_index) if number is None else number
                yield from (_Place(process, which, share) for process in instance.processes or ())
    else:
        yield from (_Place(process, None, 1.0) for process in reading.processes or ())


def _share(instance: MigInstance, total: int | None) -> float | None:
    memory = instance.memory_total_bytes
    return memory / total if memory and total else None


def _part(places: Sequence[_Place]) -> Part:
    processes = [place.process for place in places]
    share = min(1.0, sum({place.instance: place.share for place in places}.values()))
    percent = sum_if_all_known(*(process.sm_utilization_percent for process in processes))
    memory = sum_if_all_known(*(process.gpu_memory_bytes for process in processes))
    is_known = percent is not None and bool(processes)
    return Part(
        share,
        min(share, percent / 100) if percent is not None and is_known else None,
        not any(process.works for process in processes) if is_known else None,
        None if memory is None or not processes else int(memory),
    )
