"""Which GPUs can be taken, best first.

Unknown values are never estimated: a GPU is not offered for a wish with a condition on an unknown value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from agent.derive.groups import GroupSearch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from agent.derive.candidates import Candidate


@dataclass(frozen=True, slots=True)
class Wish:
    """The conditions of a request; None: no condition."""

    count: int = 1
    min_free_memory_bytes: int | None = None
    max_utilization_percent: float | None = None  # if set, GPUs with compute processes are offered too
    exclude_users: frozenset[str] = frozenset()  # names, or user numbers as text
    model: str | None = None  # a part of the product name, lower case
    mig: bool = False  # MIG instances are offered, instead of the GPUs that they are on


@dataclass(frozen=True, slots=True)
class Offer:
    """The GPUs for a wish, best first, and the reason why each other GPU is not offered."""

    wish: Wish
    gpus: tuple[Candidate, ...]  # at most as many as wished for
    unavailable: tuple[Candidate, ...]  # suitable GPUs that are reserved or withheld for others
    unsuitable: tuple[tuple[Candidate, str], ...]  # with the reason

    @property
    def satisfied(self) -> bool:
        """Whether there are as many as wished for."""
        return len(self.gpus) == self.wish.count

    @property
    def uuids(self) -> tuple[str, ...]:
        """The UUIDs of the offered GPUs."""
        return tuple(gpu.uuid for gpu in self.gpus if gpu.uuid is not None)


def choose(gpus: Sequence[Candidate], wish: Wish, unavailable: Collection[str] = ()) -> Offer:
    """The best GPUs for a wish among all but the `unavailable` ones, by UUID."""
    reasons = [(gpu, why_not(gpu, wish)) for gpu in _on_offer(gpus, wish)]
    suitable = sorted((gpu for gpu, reason in reasons if reason is None), key=_rank)
    available = [gpu for gpu in suitable if gpu.uuid not in unavailable]
    # GPUs without a compute process come before neighbours that have one, and ghosts after all others.
    chosen: list[Candidate] = []
    for _, equals in groupby(available, key=_class):
        chosen += _linked_first([*equals], wish.count - len(chosen))
    return Offer(
        wish,
        tuple(chosen),
        tuple(gpu for gpu in suitable if gpu.uuid in unavailable),
        tuple((gpu, reason) for gpu, reason in reasons if reason is not None),
    )


def why_not(gpu: Candidate, wish: Wish) -> str | None:
    """Why this GPU does not suit this wish; None: it does."""
    return (
        gpu.obstacle
        or _another_model(gpu, wish.model)
        or _excluded(gpu, wish.exclude_users)
        or _too_busy(gpu, wish.max_utilization_percent)
        or _used_unlisted(gpu, wish)
        or _too_full(gpu, wish.min_free_memory_bytes)
    )


def _another_model(gpu: Candidate, wanted: str | None) -> str | None:
    if wanted is None:
        return None
    if gpu.name is None:
        return "its model is unknown"
    return None if wanted in gpu.name.lower() else "it is of another model"


def _excluded(gpu: Candidate, users: frozenset[str]) -> str | None:
    if (gpu.users | gpu.uids) & users:
        return "a user of exclude_users has a process on it"
    if users and gpu.compute_processes is None:
        return "its processes are unknown"
    numbers = {user for user in users if user.isascii() and user.isdigit()}
    if (None in gpu.users and users - numbers) or (None in gpu.uids and numbers):
        return "the owner of a process on it is unknown"
    return None


def _too_busy(gpu: Candidate, limit_percent: float | None) -> str | None:
    if limit_percent is None:
        return "a compute process runs on it" if gpu.compute_processes else None
    if gpu.is_asleep:
        return None
    if gpu.is_held_exclusively:
        return "its compute mode is exclusive, and a process holds it"
    if gpu.peak_utilization_percent is None:
        return "its utilization is unknown"
    if gpu.peak_utilization_percent > limit_percent:
        return "its utilization in the last minute is above max_utilization"
    return None


def _used_unlisted(gpu: Candidate, wish: Wish) -> str | None:
    # With max_utilization only that limit counts, but the process may be of an excluded user.
    is_limited = wish.max_utilization_percent is not None and not wish.exclude_users
    works = gpu.works_unlisted and not is_limited
    return "in use by a process that is not listed" if works or gpu.holds_unlisted_memory else None


def _too_full(gpu: Candidate, wanted_bytes: int | None) -> str | None:
    if wanted_bytes is None:
        return None
    if gpu.memory_free_bytes is None:
        return "its free memory is unknown"
    return "it has less free memory than min_free_memory" if gpu.memory_free_bytes < wanted_bytes else None


def could_ever(gpus: Sequence[Candidate], wish: Wish) -> bool:
    """Whether the host has enough GPUs that would suit the wish if nothing ran on them."""
    wanted = wish.min_free_memory_bytes
    fit = (
        gpu.obstacle is None
        and _another_model(gpu, wish.model) is None
        and (wanted is None or (gpu.memory_total_bytes is not None and gpu.memory_total_bytes >= wanted))
        for gpu in _on_offer(gpus, wish)
    )
    return sum(fit) >= wish.count


def _on_offer(gpus: Sequence[Candidate], wish: Wish) -> Iterator[Candidate]:
    """The candidates for a wish: GPUs, or instances instead of their GPUs."""
    for gpu in gpus:
        yield from (gpu.instances if wish.mig and gpu.instances else (gpu,))


def _class(gpu: Candidate) -> tuple[bool, bool, bool, bool]:
    """The class; less is better: no ghost utilization, awake, no compute process, a MIG instance.

    A request for instances gets instances first, so that whole GPUs stay free.
    """
    return gpu.has_ghost_utilization, gpu.is_asleep, bool(gpu.compute_processes), gpu.mig_index is None


def _rank(gpu: Candidate) -> tuple[tuple[bool, bool, bool, bool], int, float, int, int]:
    """The rank; less is better: class, most free memory, coolest, lowest index; unknown values last."""
    memory = -1 if gpu.memory_free_bytes is None else gpu.memory_free_bytes
    temperature = float("inf") if gpu.temperature_celsius is None else gpu.temperature_celsius
    return (_class(gpu), -memory, temperature, gpu.index, gpu.mig_index or 0)


def _linked_first(gpus: Sequence[Candidate], count: int) -> list[Candidate]:
    """`count` of these GPUs, which are in order of rank, in groups of NVLink neighbours."""
    if count < 2 or len(gpus) < 2:
        return [*gpus[: max(count, 0)]]
    chosen = _grouped(tuple((gpu.index, gpu.nvlink_neighbours) for gpu in gpus), count)
    return [gpus[position] for position in chosen]


# Waiting requests ask again with each Snapshot, many of them for the same number of GPUs.
@lru_cache(maxsize=64)
def _grouped(gpus: tuple[tuple[int, frozenset[int]], ...], count: int) -> tuple[int, ...]:
    """The positions of `count` GPUs, each given by its index and those of its neighbours."""
    bits = {index: 1 << position for position, (index, _) in enumerate(gpus)}
    links = [sum(bits.get(neighbour, 0) for neighbour in neighbours) for _, neighbours in gpus]
    return tuple(GroupSearch(links).choose(count))
