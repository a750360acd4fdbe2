"""Who waits for GPUs and who gets them when; the time is the test's."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING

import pytest

from agent.derive.free import Wish
from agent.readings import (
    ComputeMode,
    GpuProcess,
    GpuSample,
    GpuState,
    ProcessType,
    Snapshot,
)
from agent.sampling.waiting import Line
from tests.support.readings import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.free import Offer
    from agent.sampling.waiting import Place

GIB = 1024**3
ONE, TWO, THREE, FOUR = (Wish(count=number) for number in range(1, 5))


class Host:
    """Four GPUs, the line of those who want them, and a clock; GPUs in `busy` have a compute process."""

    def __init__(self, stack: ExitStack) -> None:
        self.now = 1000.0
        self.busy: set[int] = set()
        self.prohibited: set[int] = set()
        self.line = Line(clock=lambda: self.now)
        self._stack = stack

    def snapshot(self) -> Snapshot:
        return Snapshot(self.now, self.now, gpus=tuple(self._gpu(index) for index in range(4)))

    def join(self, wish: Wish) -> Place:
        """Somebody who stays in the line until the test ends, or takes what he is given."""
        return self._stack.enter_context(self.line.join(wish, self.snapshot()))

    def tick(self, seconds: float = 1.0) -> None:
        """Time goes on, and then there is a new Snapshot."""
        self.now += seconds
        self.line.see(self.snapshot())

    def look(self, wish: Wish = FOUR) -> list[int]:
        return indices(self.line.look(wish, self.snapshot()))

    def _gpu(self, index: int) -> GpuSample:
        processes = (GpuProcess(100, ProcessType.COMPUTE),) if index in self.busy else ()
        mode = ComputeMode.PROHIBITED if index in self.prohibited else ComputeMode.DEFAULT
        known = reading(
            sampled_at=self.now,
            sampled_monotonic=self.now,
            identity_uuid=f"GPU-{index}",
            memory_total_bytes=80 * GIB,
            memory_free_bytes=80 * GIB,
            utilization_gpu_percent=5,
            modes_compute_mode=mode,
            processes=processes,
        )
        return GpuSample(index, GpuState.OK, known)


@pytest.fixture
def host() -> Iterator[Host]:
    with ExitStack() as stack:
        yield Host(stack)


def indices(offer: Offer) -> list[int]:
    return [gpu.index for gpu in offer.gpus]


def satisfied(*places: Place) -> list[bool]:
    return [place.offer.satisfied for place in places]


def test_what_is_there_is_given_at_once(host: Host) -> None:
    place = host.join(TWO)

    assert satisfied(place) == [True]
    assert indices(place.offer) == [0, 1]


def test_a_gpu_just_given_is_withheld_from_everybody_for_30_seconds(host: Host) -> None:
    host.join(TWO)

    assert host.look() == [2, 3]
    assert indices(host.join(ONE).offer) == [2]
    host.tick(29.9)
    assert host.look() == [3]
    host.tick(0.1)
    assert host.look() == [0, 1, 2, 3]


def test_who_leaves_lets_the_next_one_have_what_he_kept_at_once(host: Host) -> None:
    """Not with the next Snapshot, by which time the same wish may be back in the line before it."""
    host.busy = {0}
    with host.line.join(FOUR, host.snapshot()):
        small = host.join(ONE)
        assert satisfied(small) == [False]
    assert satisfied(small) == [True]


def test_what_was_given_to_somebody_who_had_hung_up_goes_to_the_next_at_once(host: Host) -> None:
    host.busy = {0, 1, 2}
    with host.line.join(ONE, host.snapshot()) as gone:
        assert satisfied(gone) == [True]
        small = host.join(ONE)
        assert satisfied(small) == [False]
    assert satisfied(small) == [True]


def test_a_gpu_that_a_job_has_taken_by_then_is_not_offered_again(host: Host) -> None:
    host.join(ONE)
    host.busy = {0}

    host.tick(30)

    assert host.look() == [1, 2, 3]


def test_who_only_looks_takes_nothing(host: Host) -> None:
    assert host.look() == host.look() == [0, 1, 2, 3]


def test_a_wish_is_satisfied_as_soon_as_there_are_enough(host: Host) -> None:
    host.busy = {0, 1, 2}
    place = host.join(TWO)
    assert (satisfied(place), indices(place.offer)) == ([False], [3])

    host.busy = {0, 1}
    host.tick()

    assert (satisfied(place), indices(place.offer)) == ([True], [2, 3])


def test_what_was_given_stays_given_whatever_the_next_snapshot_shows(host: Host) -> None:
    place = host.join(TWO)
    offer = place.offer

    host.busy = {0, 1, 2, 3}
    host.tick()

    assert place.offer is offer


def test_first_come_first_served(host: Host) -> None:
    host.busy = {0, 1, 2, 3}
    places = [host.join(ONE) for _ in range(5)]

    host.busy = {0, 2}
    host.tick()
    assert satisfied(*places) == [True, True, False, False, False]
    host.busy = set()
    host.tick()

    assert satisfied(*places) == [True, True, True, True, False]
    assert [indices(place.offer) for place in places] == [[1], [3], [0], [2], []]


def test_a_later_smaller_wish_does_not_overtake(host: Host) -> None:
    host.busy = {0, 1, 2}
    large, small = host.join(THREE), host.join(ONE)
    assert satisfied(large, small) == [False, False]
    assert host.look() == [], "who only looks is last in the line"

    host.busy = {2}
    host.tick()
    assert satisfied(large, small) == [True, False]
    host.busy = set()
    host.tick()

    assert indices(small.offer) == [2]


def test_who_waits_keeps_the_gpus_that_would_do_and_no_other(host: Host) -> None:
    host.busy = {0, 3}
    place = host.join(THREE)
    assert (satisfied(place), sorted(place.keeps)) == ([False], ["GPU-1", "GPU-2"])
    assert host.look() == []
    assert kept(host) == [1, 2], "they would do, and are kept"

    host.busy = {0, 2}
    host.tick()
    assert place.keeps == {"GPU-1", "GPU-3"}, "as the newest Snapshot has it"

    host.busy = {0}
    host.tick()
    assert (satisfied(place), place.keeps) == ([True], frozenset()), "they are given: nothing is kept"
    assert kept(host) == [1, 2, 3], "and withheld"


def test_who_waits_keeps_no_more_than_was_wished_for(host: Host) -> None:
    """Of two that wait for the same GPUs the second keeps what the first leaves."""
    host.busy = {0, 1}
    first, second = host.join(THREE), host.join(FOUR)
    assert (sorted(first.keeps), sorted(second.keeps)) == (["GPU-2", "GPU-3"], [])

    host.busy = set()
    host.tick()
    assert (satisfied(first, second), sorted(second.keeps)) == ([True, False], ["GPU-3"])


def kept(host: Host) -> list[int]:
    """What would do for somebody who only looks, were it not kept or withheld."""
    return [gpu.index for gpu in host.line.look(FOUR, host.snapshot()).kept]


def test_a_wish_for_other_gpus_overtakes(host: Host) -> None:
    """None of these would do for the earlier one."""
    host.busy = {0, 1, 2, 3}
    without_processes = host.join(ONE)
    with_any = host.join(Wish(max_utilization_percent=5))

    assert satisfied(without_processes, with_any) == [False, True]


@pytest.mark.parametrize(
    "impossible",
    [
        pytest.param(Wish(count=5), id="more than there are"),
        pytest.param(Wish(count=4), id="more than can be offered"),
        pytest.param(Wish(count=2, min_free_memory_bytes=81 * GIB), id="more memory than there is"),
    ],
)
def test_a_wish_that_can_never_be_satisfied_keeps_nothing(host: Host, impossible: Wish) -> None:
    host.prohibited = {3}
    never = host.join(impossible)
    later = host.join(THREE)

    assert satisfied(never, later) == [False, True]


def test_a_wish_keeps_nothing_once_it_has_become_impossible(host: Host) -> None:
    host.busy = {3}
    large, small = host.join(FOUR), host.join(ONE)
    assert satisfied(large, small) == [False, False]

    host.prohibited = {3}
    host.tick()

    assert satisfied(large, small) == [False, True]


def test_who_leaves_keeps_nothing(host: Host) -> None:
    host.busy = {3}
    with host.line.join(FOUR, host.snapshot()):
        assert host.look() == []
    assert host.look() == [0, 1, 2]


def test_the_next_in_the_line_gets_what_was_kept(host: Host) -> None:
    host.busy = {3}
    with host.line.join(FOUR, host.snapshot()):
        small = host.join(ONE)
        host.tick()
        assert satisfied(small) == [False]
    host.tick()

    assert indices(small.offer) == [0]


def test_a_gpu_that_was_given_but_not_taken_is_free_again(host: Host) -> None:
    """The client had hung up."""
    with host.line.join(ONE, host.snapshot()) as gone, host.line.join(ONE, host.snapshot()) as there:
        there.taken = True
        assert [indices(gone.offer), indices(there.offer)] == [[0], [1]]
        assert host.look() == [2, 3]

    assert host.look() == [0, 2, 3]


def test_a_snapshot_counts_once_and_an_older_one_not_at_all(host: Host) -> None:
    older = host.snapshot()
    host.busy = {0, 1, 2, 3}
    host.tick()
    place = host.join(ONE)

    host.line.see(older)

    assert satisfied(place) == [False]


def test_a_newcomer_between_two_snapshots_is_last(host: Host) -> None:
    host.busy = {0, 1, 2}
    host.tick()
    now = host.snapshot()
    with (
        host.line.join(TWO, now) as first,
        host.line.join(ONE, now) as second,
        host.line.join(ONE, now) as third,
    ):
        assert satisfied(first, second, third) == [False, False, False]
        host.busy = {0}
        host.tick()
        assert satisfied(first, second, third) == [True, True, False]


def test_20_who_wait_for_4_gpus_are_served_once_each_in_order(host: Host) -> None:
    """Each job runs for a minute; it shows on its GPU 10 seconds after it was given."""
    places = [host.join(ONE) for _ in range(20)]
    served: list[Place] = []
    jobs: dict[int, float] = {}  # GPU -> when it was given
    for _ in count():
        for place in places:
            if place.offer.satisfied and place not in served:
                (gpu,) = indices(place.offer)
                assert gpu not in jobs, "two jobs on one GPU"
                jobs[gpu] = host.now
                served.append(place)
        if len(served) == 20:
            break
        jobs = {gpu: at for gpu, at in jobs.items() if host.now - at < 60}
        host.busy = {gpu for gpu, at in jobs.items() if host.now - at >= 10}
        host.tick()
        assert host.now < 2000, f"only {len(served)} were served"

    assert served == places
    assert host.now - 1000 == pytest.approx(4 * 61, abs=5), "four at a time"


def test_20_jobs_that_never_show_still_get_a_gpu_each_every_30_seconds(host: Host) -> None:
    places = [host.join(ONE) for _ in range(20)]
    at = []
    for _ in range(5):
        at.append(sum(satisfied(*places)))
        for _ in range(30):
            host.tick()

    assert at == [4, 8, 12, 16, 20]


def test_a_thousand_who_wait_leave_nothing_behind(host: Host) -> None:
    host.busy = {0, 1, 2, 3}
    with ExitStack() as line:
        for number in range(1000):
            line.enter_context(host.line.join(Wish(count=1 + number % 5), host.snapshot()))
        host.tick()
        host.busy = set()
        host.tick()

    assert host.look() == [0, 1, 2, 3]
    assert not host.line._places  # noqa: SLF001  (what would leak)
    assert not host.line._withheld_until  # noqa: SLF001  (as above)
