"""Groups of GPUs that are all linked to each other: the largest first, in bounded work.

The largest such group is the maximum clique of a graph, and finding it can take exponential time. Real hosts
are easy: a switch links all GPUs, or each GPU is linked to a few neighbours. For any other graph the search
counts its steps, and when they are used up it returns the best group found so far.

GPUs are numbered by rank, 0 is the best; a set of them is an int that has their bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_STEPS = 20_000  # about 10 ms; no graph of 16 GPUs that was tried needs more than a tenth of it
MOST_STARTS = 16  # how many GPUs the search for a first large group starts from


class OutOfStepsError(Exception):
    """The search has used all its steps."""


class GroupSearch:
    """`links`: for each GPU, the set of those linked to it. Links are mutual, and never to oneself."""

    def __init__(self, links: Sequence[int], max_steps: int = MAX_STEPS) -> None:
        self._links = links
        self._others = [~(neighbours | 1 << gpu) for gpu, neighbours in enumerate(links)]
        self._steps_left = max_steps
        self.steps = 0  # GPUs examined so far

    def choose(self, count: int) -> list[int]:
        """`count` GPUs, or all if fewer, in groups as large as possible, each the best of its size."""
        chosen: list[int] = []
        among = (1 << len(self._links)) - 1
        while count - len(chosen) > 1 and (linked := self._linked(among)):
            group = self._largest(linked, count - len(chosen))
            chosen += members(group)
            among &= ~group
        return [*chosen, *members(among)][:count]

    def _linked(self, among: int) -> int:
        """The GPUs among these that are linked to another of them."""
        linked = 0
        for gpu in members(among):
            linked |= self._links[gpu]
            self.steps += 1
        return linked & among

    def _largest(self, among: int, at_most: int) -> int:
        """The best of the largest groups among these; uses at most half of the remaining steps."""
        reserve = self._steps_left // 2
        self._steps_left -= reserve
        best = self._greedy(among, at_most)
        try:
            most = self._colours(among, at_most)
            if best.bit_count() < most:
                for start in self._starts(among):
                    best = max(best, self._grown(start, among, at_most), key=int.bit_count)
                for size in range(best.bit_count(), most + 1):
                    found = self._first(among, size)
                    if not found:
                        break
                    best = found
        except OutOfStepsError:
            pass
        self._steps_left += reserve
        return best

    def _greedy(self, among: int, at_most: int) -> int:
        """The best GPU, the best of its neighbours, and so on: no group of this size is better."""
        group = 0
        for _ in range(at_most):
            if not among:
                break
            best = lowest(among)
            group |= 1 << best
            among &= self._links[best]
            self.steps += 1
        return group

    def _colours(self, among: int, enough: int) -> int:
        """An upper bound, at most `enough`, of the size of any group among these.

        GPUs of one colour are not linked, so a group has one of each colour at most.
        """
        colours = 0
        while among and colours < enough:
            colours += 1
            unlinked = among
            while unlinked:
                self._spend(1)
                gpu = lowest(unlinked)
                among ^= 1 << gpu
                unlinked &= self._others[gpu]
        return colours

    def _starts(self, among: int) -> list[int]:
        """The GPUs with most neighbours; with equal numbers, the better first."""
        self._spend(among.bit_count())
        by_links = sorted(members(among), key=lambda gpu: -(self._links[gpu] & among).bit_count())
        return by_links[:MOST_STARTS]

    def _grown(self, start: int, among: int, at_most: int) -> int:
        """A group with `start`, extended each time by the GPU that leaves the largest choice."""
        group = 1 << start
        among &= self._links[start]
        while among and group.bit_count() < at_most:
            chosen, left = 0, -1
            for gpu in members(among):
                self._spend(1)
                if (would_be_left := (among & self._links[gpu]).bit_count()) > left:
                    chosen, left = gpu, would_be_left
            group |= 1 << chosen
            among &= self._links[chosen]
        return group

    def _first(self, among: int, size: int) -> int:
        """The best of the groups of `size`, by their best GPU, then by the next …; 0: there is none."""
        while self._colours(among, size) == size:
            best = lowest(among)
            among ^= 1 << best
            if size == 1:
                return 1 << best
            if rest := self._first(among & self._links[best], size - 1):
                return 1 << best | rest
        return 0

    def _spend(self, steps: int) -> None:
        if self._steps_left < steps:
            raise OutOfStepsError
        self._steps_left -= steps
        self.steps += steps


def lowest(gpus: int) -> int:
    """The best GPU of a set."""
    return (gpus & -gpus).bit_length() - 1


def members(gpus: int) -> Iterator[int]:
    """The GPUs of a set, the best first."""
    while gpus:
        yield lowest(gpus)
        gpus &= gpus - 1
