"""Which GPUs are offered, and in which order: every filter and every rule, one at a time."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from agent.derive.candidates import Candidate
from agent.derive.free import Wish, choose, could_ever, why_not

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

GIB = 1024**3


def gpu(index: int, **values: Any) -> Candidate:
    """A GPU without any obstacle; all are equal except for these values."""
    perfect = Candidate(
        index=index,
        uuid=f"GPU-{index}",
        name="NVIDIA H100",
        obstacle=None,
        memory_total_bytes=80 * GIB,
        memory_free_bytes=80 * GIB,
        temperature_celsius=30,
        peak_utilization_percent=0,
        compute_processes=0,
        users=frozenset(),
    )
    return replace(perfect, **values)


def linked(gpus: Iterable[Candidate], *groups: Collection[int]) -> list[Candidate]:
    """These GPUs, neighbours within each of the groups of indices."""
    return [
        replace(
            gpu,
            nvlink_neighbours=frozenset(
                index for group in groups if gpu.index in group for index in group if index != gpu.index
            ),
        )
        for gpu in gpus
    ]


def offered(
    gpus: Iterable[Candidate], wish: Wish | None = None, unavailable: Collection[str] = ()
) -> list[int]:
    return [gpu.index for gpu in choose(list(gpus), wish or Wish(), unavailable).gpus]


# The order


@pytest.mark.parametrize(
    ("gpus", "best_first"),
    [
        pytest.param([gpu(0), gpu(1)], [0, 1], id="index"),
        pytest.param([gpu(0, temperature_celsius=31), gpu(1)], [1, 0], id="cooler"),
        pytest.param([gpu(0, temperature_celsius=None), gpu(1)], [1, 0], id="unknown temperature is last"),
        pytest.param(
            [gpu(0, memory_free_bytes=79 * GIB), gpu(1, temperature_celsius=90)],
            [1, 0],
            id="free memory before temperature",
        ),
        pytest.param(
            [gpu(0, memory_free_bytes=None), gpu(1, memory_free_bytes=0)], [1, 0], id="unknown memory"
        ),
        pytest.param(
            [gpu(0, compute_processes=1), gpu(1, memory_free_bytes=GIB, temperature_celsius=90)],
            [1, 0],
            id="no compute process before free memory",
        ),
        pytest.param(
            [
                gpu(0, compute_processes=2, memory_free_bytes=9),
                gpu(1, compute_processes=1, memory_free_bytes=8),
            ],
            [0, 1],
            id="the number of compute processes does not matter",
        ),
        pytest.param(
            [gpu(0, peak_utilization_percent=9), gpu(1)],
            [0, 1],
            id="nor does the utilization below the limit",
        ),
    ],
)
def test_the_best_gpu_comes_first(gpus: list[Candidate], best_first: list[int]) -> None:
    for order in (gpus, gpus[::-1]):
        assert offered(order, Wish(count=2, max_utilization_percent=10)) == best_first
        assert offered(order, Wish(max_utilization_percent=10)) == best_first[:1]


def test_a_gpu_with_ghost_utilization_comes_last() -> None:
    ghost = gpu(0, has_ghost_utilization=True, peak_utilization_percent=97)
    gpus = linked([ghost, gpu(1, memory_free_bytes=1), gpu(2, compute_processes=1)], [0, 1])

    assert offered(gpus, Wish(count=3, max_utilization_percent=100)) == [1, 2, 0]
    assert offered(gpus, Wish(count=3)) == [1, 0]
    assert offered(gpus, Wish()) == [1]
    assert offered([ghost], Wish()) == [0]
    assert offered([ghost], Wish(max_utilization_percent=96)) == []


UNLISTED = "in use by a process that is not listed"


@pytest.mark.parametrize(
    ("values", "wish", "reason"),
    [
        ({"works_unlisted": True}, Wish(), UNLISTED),
        ({"works_unlisted": True}, Wish(max_utilization_percent=0), None),
        ({"works_unlisted": True, "peak_utilization_percent": 44}, Wish(max_utilization_percent=44), None),
        (
            {"works_unlisted": True},
            Wish(max_utilization_percent=100, exclude_users=frozenset({"bob"})),
            UNLISTED,  # it may be one of bob's
        ),
        ({"holds_unlisted_memory": True}, Wish(), UNLISTED),
        ({"holds_unlisted_memory": True}, Wish(max_utilization_percent=100), UNLISTED),
        ({"holds_unlisted_memory": True, "compute_processes": 1}, Wish(), "a compute process runs on it"),
        ({"holds_unlisted_memory": True, "memory_free_bytes": 0}, Wish(min_free_memory_bytes=1), UNLISTED),
    ],
)
def test_a_gpu_in_use_by_an_unlisted_process_is_not_offered(
    values: dict[str, Any], wish: Wish, reason: str | None
) -> None:
    assert why_not(gpu(0, **values), wish) == reason
    assert could_ever([gpu(0, **values)], wish), "the process will end some time"


@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_an_offer_has_at_most_the_requested_and_the_existing_gpus(number: int) -> None:
    gpus = [gpu(index) for index in range(number)]

    offers = [choose(gpus, Wish(count)) for count in (1, 2, 3, 128)]

    assert [len(offer.gpus) for offer in offers] == [min(number, count) for count in (1, 2, 3, 128)]
    assert [offer.satisfied for offer in offers] == [number >= count for count in (1, 2, 3, 128)]
    assert offers[-1].uuids == tuple(f"GPU-{index}" for index in range(number))


# NVLink

FOUR = [gpu(index, memory_free_bytes=(80 - index) * GIB) for index in range(4)]
SIX = [gpu(index, memory_free_bytes=(80 - index) * GIB) for index in range(6)]


@pytest.mark.parametrize(
    ("gpus", "count", "together"),
    [
        pytest.param(linked(FOUR, [0, 1, 2, 3]), 2, [0, 1], id="all linked: the best"),
        pytest.param(linked(FOUR, [0, 3]), 2, [0, 3], id="a pair with the best"),
        pytest.param(linked(FOUR, [2, 3]), 2, [2, 3], id="a pair without the best"),
        pytest.param(linked(FOUR, [2, 3]), 1, [0], id="one alone has no neighbours"),
        pytest.param(linked(FOUR, [1, 3], [2, 3]), 2, [1, 3], id="the better of two pairs"),
        pytest.param(linked(FOUR, [0, 2], [1, 3]), 4, [0, 2, 1, 3], id="two pairs for four"),
        pytest.param(linked(FOUR, [1, 2]), 3, [1, 2, 0], id="a pair and the best of the rest"),
        pytest.param(linked(FOUR, [0, 1], [1, 2]), 3, [0, 1, 2], id="a chain is no group of three"),
        pytest.param(linked(SIX, [0, 1], [2, 3, 4, 5]), 4, [2, 3, 4, 5], id="four rather than two pairs"),
        pytest.param(linked(SIX, [0, 1], [2, 3, 4, 5]), 6, [2, 3, 4, 5, 0, 1], id="everything"),
        pytest.param(linked(SIX, [0, 3], [3, 4], [4, 0], [1, 2]), 3, [0, 3, 4], id="a triangle"),
        pytest.param(FOUR, 3, [0, 1, 2], id="no links"),
    ],
)
def test_neighbours_are_offered_together(gpus: list[Candidate], count: int, together: list[int]) -> None:
    for order in (gpus, gpus[::-1]):
        assert offered(order, Wish(count=count)) == together


def test_a_gpu_without_a_compute_process_comes_before_a_neighbour_with_one() -> None:
    gpus = linked([gpu(0), gpu(1, compute_processes=1), gpu(2), gpu(3, compute_processes=1)], [0, 1], [2, 3])

    assert offered(gpus, Wish(count=2, max_utilization_percent=10)) == [0, 2]
    assert offered(gpus, Wish(count=3, max_utilization_percent=10)) == [0, 2, 1]


def test_neighbours_that_are_not_offered_do_not_count() -> None:
    gpus = linked([gpu(0, obstacle="broken"), gpu(1), gpu(2), gpu(3)], [0, 1], [2, 3])

    assert offered(gpus, Wish(count=2)) == [2, 3]
    assert offered(gpus, Wish(count=2), unavailable={"GPU-3"}) == [1, 2]


@pytest.mark.parametrize("seed", range(30))
def test_a_fully_linked_group_is_found_in_any_topology_that_has_one(seed: int) -> None:
    """By definition it is the first combination, by rank, in which all GPUs are linked to each other."""
    chance = random.Random(seed)  # noqa: S311  (no secret)
    pairs = [pair for pair in combinations(range(8), 2) if chance.random() < 0.6]
    assert pairs, "there is at least a group of two"
    gpus = linked([gpu(index) for index in range(8)], *pairs)
    for count in range(2, 9):
        full = (group for group in combinations(range(8), count) if set(combinations(group, 2)) <= set(pairs))
        if (first := next(full, None)) is not None:
            assert offered(gpus, Wish(count=count)) == list(first)


def test_sixteen_gpus_with_the_worst_links_are_grouped_at_once() -> None:
    """Each GPU is linked to all but one: the largest groups have eight GPUs, and there are 256 of them."""
    pairs = [(one, other) for one, other in combinations(range(16), 2) if one + 1 != other or one % 2]
    gpus = linked([gpu(index) for index in range(16)], *pairs)

    assert offered(gpus, Wish(count=9)) == [0, 2, 4, 6, 8, 10, 12, 14, 1]


def test_128_gpus_behind_switches_are_one_group() -> None:
    assert offered(linked([gpu(index) for index in range(128)], range(128)), Wish(128)) == [*range(128)]


# The filters


@pytest.mark.parametrize(
    ("candidate", "wish", "reason"),
    [
        pytest.param(gpu(0), Wish(), None, id="no obstacle"),
        pytest.param(gpu(0, obstacle="broken"), Wish(), "broken", id="an obstacle"),
        pytest.param(gpu(0, compute_processes=1), Wish(), "a compute process runs on it", id="in use"),
        pytest.param(gpu(0), Wish(model="h100"), None, id="a part of its name, in any case"),
        pytest.param(gpu(0), Wish(model="a100"), "it is of another model", id="another model"),
        pytest.param(gpu(0, name=None), Wish(model="h100"), "its model is unknown", id="unknown model"),
        pytest.param(
            gpu(0, peak_utilization_percent=100), Wish(), None, id="utilization without a compute process"
        ),
        pytest.param(gpu(0, peak_utilization_percent=None), Wish(), None, id="utilization is not limited"),
        pytest.param(
            gpu(0, compute_processes=1, peak_utilization_percent=10),
            Wish(max_utilization_percent=10),
            None,
            id="in use, at the limit",
        ),
        pytest.param(
            gpu(0, compute_processes=1, peak_utilization_percent=11),
            Wish(max_utilization_percent=10),
            "its utilization in the last minute is above max_utilization",
            id="in use, above the limit",
        ),
        pytest.param(
            gpu(0, peak_utilization_percent=11),
            Wish(max_utilization_percent=10),
            "its utilization in the last minute is above max_utilization",
            id="without a compute process, above the limit",
        ),
        pytest.param(
            gpu(0, peak_utilization_percent=1),
            Wish(max_utilization_percent=0),
            "its utilization in the last minute is above max_utilization",
            id="a limit of 0 is a limit",
        ),
        pytest.param(
            gpu(0, peak_utilization_percent=None),
            Wish(max_utilization_percent=100),
            "its utilization is unknown",
            id="unknown utilization",
        ),
        pytest.param(
            gpu(0, memory_free_bytes=20 * GIB), Wish(min_free_memory_bytes=20 * GIB), None, id="just enough"
        ),
        pytest.param(
            gpu(0, memory_free_bytes=20 * GIB - 1),
            Wish(min_free_memory_bytes=20 * GIB),
            "it has less free memory than min_free_memory",
            id="a byte too few",
        ),
        pytest.param(
            gpu(0, memory_free_bytes=None),
            Wish(min_free_memory_bytes=0),
            "its free memory is unknown",
            id="unknown free memory",
        ),
        pytest.param(gpu(0, memory_free_bytes=None), Wish(), None, id="free memory is not limited"),
        pytest.param(
            gpu(0, users=frozenset({"ann", "gdm"})),
            Wish(exclude_users=frozenset({"ann", "bob"})),
            "a user of exclude_users has a process on it",
            id="excluded",
        ),
        pytest.param(
            gpu(0, users=frozenset({"ann"}), uids=frozenset({"1001"})),
            Wish(exclude_users=frozenset({"1001"})),
            "a user of exclude_users has a process on it",
            id="excluded by number",
        ),
        pytest.param(
            gpu(0, users=frozenset({"gdm"})), Wish(exclude_users=frozenset({"ann"})), None, id="another user"
        ),
        pytest.param(
            gpu(0, users=frozenset({None})),
            Wish(exclude_users=frozenset({"ann"})),
            "the owner of a process on it is unknown",
            id="unknown user",
        ),
        pytest.param(
            gpu(0, is_asleep=True, compute_processes=None),
            Wish(exclude_users=frozenset({"ann"})),
            "its processes are unknown",
            id="asleep, as one that a display server has open can be",
        ),
        pytest.param(
            gpu(0, users=frozenset({None}), uids=frozenset({"1001"})),
            Wish(exclude_users=frozenset({"1002"})),
            None,
            id="a known UID, and only UIDs are excluded",
        ),
        pytest.param(
            gpu(0, users=frozenset({None}), uids=frozenset({"1001"})),
            Wish(exclude_users=frozenset({"1002", "ann"})),
            "the owner of a process on it is unknown",
            id="a known UID, and a name is excluded",
        ),
        pytest.param(
            gpu(0, users=frozenset({None}), uids=frozenset({None})),
            Wish(exclude_users=frozenset({"1002"})),
            "the owner of a process on it is unknown",
            id="unknown UID",
        ),
        pytest.param(gpu(0, users=frozenset({None})), Wish(), None, id="no user is excluded"),
        pytest.param(
            gpu(0, users=frozenset({"ann"}), compute_processes=1, peak_utilization_percent=0),
            Wish(max_utilization_percent=100, exclude_users=frozenset({"ann"})),
            "a user of exclude_users has a process on it",
            id="excluded in spite of a low utilization",
        ),
    ],
)
def test_each_filter_passes_or_gives_its_reason(candidate: Candidate, wish: Wish, reason: str | None) -> None:
    assert why_not(candidate, wish) == reason
    offer = choose([candidate], wish)
    assert [*offer.gpus] == ([candidate] if reason is None else [])
    assert [*offer.unsuitable] == ([] if reason is None else [(candidate, reason)])


def test_unavailable_and_unsuitable_gpus_are_reported_separately() -> None:
    gpus = [gpu(0), gpu(1), gpu(2, obstacle="broken"), gpu(3)]

    offer = choose(gpus, Wish(count=3), unavailable={"GPU-0", "GPU-2"})

    assert [candidate.index for candidate in offer.gpus] == [1, 3]
    assert [candidate.index for candidate in offer.unavailable] == [0]
    assert [(candidate.index, reason) for candidate, reason in offer.unsuitable] == [(2, "broken")]
    assert not offer.satisfied


@pytest.mark.parametrize(
    ("wish", "answer"),
    [
        (Wish(count=2), True),
        (Wish(count=3), False),
        (Wish(count=2, min_free_memory_bytes=40 * GIB), True),
        (Wish(count=2, min_free_memory_bytes=41 * GIB), False),
        (Wish(count=1, min_free_memory_bytes=80 * GIB), True),
        (Wish(count=1, min_free_memory_bytes=81 * GIB), False),
        (Wish(count=2, model="h100"), True),
        (Wish(count=1, model="a100"), False),
    ],
)
def test_a_host_could_ever_satisfy_what_its_working_gpus_can(wish: Wish, answer: bool) -> None:
    """However busy the host is now."""
    busy = {"compute_processes": 9, "memory_free_bytes": 0, "users": frozenset({"ann"})}
    gpus = [gpu(0, **busy), gpu(1, memory_total_bytes=40 * GIB, **busy), gpu(2, obstacle="broken")]

    assert could_ever(gpus, wish) is answer
