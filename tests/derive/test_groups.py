"""The largest groups of linked GPUs, best first: exact where that is cheap, bounded work where it is not."""

from __future__ import annotations

import random
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.derive.groups import GroupSearch, members
from tests.properties import PROPERTY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Pairs = Iterable[tuple[int, int]]

MAX_STEPS = 20_000  # about 10 ms; no tested graph of 16 GPUs needs more than a tenth of it

EXACT = 16  # GPUs of a host, up to which the answer is always the best one


def links_of(gpus: int, pairs: Pairs) -> list[int]:
    links = [0] * gpus
    for one, other in pairs:
        links[one] |= 1 << other
        links[other] |= 1 << one
    return links


def by_definition(links: list[int], count: int) -> list[int]:
    """Repeatedly the first of the largest groups, out of all combinations."""
    chosen: list[int] = []
    while (rest := [gpu for gpu in range(len(links)) if gpu not in chosen]) and len(chosen) < count:
        chosen += next(
            group
            for size in range(min(len(rest), count - len(chosen)), 0, -1)
            for group in combinations(rest, size)
            if are_linked(links, group)
        )
    return chosen


def are_linked(links: list[int], group: Iterable[int]) -> bool:
    return all(links[one] >> other & 1 for one, other in combinations(group, 2))


@st.composite
def graphs(draw: st.DrawFn) -> list[int]:
    """Up to nine GPUs, linked in any way."""
    gpus = draw(st.integers(0, 9))
    pairs = [*combinations(range(gpus), 2)]
    return links_of(gpus, draw(st.sets(st.sampled_from(pairs))) if pairs else ())


@PROPERTY
@given(graphs(), st.integers(1, 10))
def test_the_groups_are_those_of_the_definition(links: list[int], count: int) -> None:
    assert GroupSearch(links).choose(count) == by_definition(links, count)


# Adversarial graphs


def multipartite(gpus: int, part: int) -> Pairs:
    """Each GPU is linked to all but those of its own part; parts of three are Moon and Moser's graph."""
    return (pair for pair in combinations(range(gpus), 2) if pair[0] // part != pair[1] // part)


def crown(gpus: int) -> Pairs:
    """Two halves, each GPU linked to all of the other half except its counterpart."""
    half = gpus // 2
    return ((one, other) for one in range(half) for other in range(half, gpus) if other - half != one)


def joined_pentagons(gpus: int) -> Pairs:
    """No group has more than two GPUs of a pentagon, but each pentagon needs three colours."""
    for one, other in combinations(range(gpus), 2):
        if one // 5 != other // 5 or other - one in (1, 4):
            yield one, other


def at_random(gpus: int, probability: float, hidden: float = 0) -> Pairs:
    """Each link with this probability; the last GPUs, this share of all, have all links to each other."""
    chance = random.Random(f"{gpus} {probability} {hidden}")  # noqa: S311  (no secret)
    for one, other in combinations(range(gpus), 2):
        if one >= gpus - int(gpus * hidden) or chance.random() < probability:
            yield one, other


# name -> the links of this many GPUs
ADVERSARIES: dict[str, Callable[[int], Pairs]] = {
    "nothing": lambda _: (),
    "one switch": partial(multipartite, part=1),
    "pairs": lambda gpus: zip(range(0, gpus - 1, 2), range(1, gpus, 2), strict=True),
    "a ring": lambda gpus: ((one, (one + 1) % gpus) for one in range(gpus)),
    "all but a counterpart": partial(multipartite, part=2),
    "parts of three": partial(multipartite, part=3),
    "parts of eight": partial(multipartite, part=8),
    "crown": crown,
    "joined pentagons": joined_pentagons,
    "random, 10 %": partial(at_random, probability=0.1),
    "random, 50 %": partial(at_random, probability=0.5),
    "random, 70 %": partial(at_random, probability=0.7),
    "random, 90 %": partial(at_random, probability=0.9),
    "random, 95 %": partial(at_random, probability=0.95),
    "random, 98 %": partial(at_random, probability=0.98),
    "hidden 15 %": partial(at_random, probability=0.5, hidden=0.15),
    "hidden 20 %": partial(at_random, probability=0.5, hidden=0.2),
    "hidden 30 %": partial(at_random, probability=0.5, hidden=0.3),
}


def shuffled(gpus: int, pairs: Pairs, seed: int = 0) -> list[int]:
    """Renumber the GPUs, so that rank does not depend on the links."""
    numbers = list(range(gpus))
    random.Random(seed).shuffle(numbers)  # noqa: S311  (no secret)
    return links_of(gpus, ((numbers[one], numbers[other]) for one, other in pairs))


@pytest.mark.parametrize("gpus", [32, 64, 128])
@pytest.mark.parametrize("name", ADVERSARIES)
def test_the_work_is_bounded_for_all_links(name: str, gpus: int) -> None:
    """In addition to the search: steps to find the linked GPUs and to number the groups."""
    links = shuffled(gpus, ADVERSARIES[name](gpus))
    for count in (2, gpus // 2, gpus):
        search = GroupSearch(links)
        chosen = search.choose(count)
        assert len(chosen) == len(set(chosen)) == count
        assert search.steps <= MAX_STEPS + gpus * gpus // 2
        assert GroupSearch(links).choose(count) == chosen


@pytest.mark.parametrize("name", ADVERSARIES)
def test_sixteen_gpus_need_less_than_a_fifth_of_the_steps(name: str) -> None:
    """So the answer is exact: the search was not cut short."""
    for seed in range(5):
        for count in range(2, EXACT + 1):
            search = GroupSearch(shuffled(EXACT, ADVERSARIES[name](EXACT), seed))
            search.choose(count)
            assert search.steps < MAX_STEPS / 5


@pytest.mark.parametrize(
    ("name", "gpus", "largest"),
    [
        ("pairs", 128, 2),
        ("a ring", 128, 2),
        ("all but a counterpart", 128, 64),
        ("parts of three", 126, 42),
        ("parts of eight", 128, 16),
        ("crown", 128, 2),
        ("joined pentagons", 125, 50),
        ("hidden 15 %", 128, 19),
        ("hidden 20 %", 128, 25),
        ("hidden 30 %", 128, 38),
    ],
)
def test_a_known_largest_group_is_found(name: str, gpus: int, largest: int) -> None:
    for seed in range(3):
        links = shuffled(gpus, ADVERSARIES[name](gpus), seed)
        chosen = GroupSearch(links).choose(gpus)
        assert are_linked(links, chosen[:largest])
        assert not are_linked(links, chosen[: largest + 1])


@pytest.mark.parametrize("max_steps", [0, 1, 10, 100, 1000])
def test_a_search_that_is_cut_short_still_returns_groups_that_cannot_grow(max_steps: int) -> None:
    links = shuffled(64, at_random(64, 0.9))
    search = GroupSearch(links, max_steps)
    chosen = search.choose(64)

    first = [gpu for at, gpu in enumerate(chosen) if are_linked(links, chosen[: at + 1])]
    assert sorted(chosen) == [*range(64)]
    assert first == sorted(first)  # the best first
    assert len(first) > 8
    assert not [gpu for gpu in chosen[len(first) :] if are_linked(links, [*first, gpu])]
    assert search.steps <= max_steps + 64 * 64 // 2


def test_members_of_a_group_come_best_first() -> None:
    assert [*members(0b1011)] == [0, 1, 3]
    assert [*members(0)] == []
