"""The queue of requests that wait for GPUs, with a manual clock."""

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
from agent.sampling.waiting import WaitingQueue
from tests.support.readings import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.free import Offer
    from agent.sampling.waiting import QueueEntry

GIB = 1024**3
ONE, TWO, THREE, FOUR = (Wish(count=number) for number in range(1, 5))


class Host:
    """Four GPUs, the queue of requests, and a clock; GPUs in `busy` have a compute process."""

    def __init__(self, stack: ExitStack) -> None:
        self.now = 1000.0
        self.busy: set[int] = set()
        self.prohibited: set[int] = set()
        self.queue = WaitingQueue(clock=lambda: self.now)
        self._stack = stack

    def snapshot(self) -> Snapshot:
        return Snapshot(self.now, self.now, gpus=tuple(self._gpu(index) for index in range(4)))

    def join(self, wish: Wish) -> QueueEntry:
        """A request that stays in the queue until the test ends, or takes the GPUs that it is given."""
        return self._stack.enter_context(self.queue.join(wish, self.snapshot()))

    def tick(self, seconds: float = 1.0) -> None:
        """Move the time forward, then take a new Snapshot."""
        self.now += seconds
        self.queue.update(self.snapshot())

    def offered(self, wish: Wish = FOUR) -> list[int]:
        return indices(self.queue.offer_now(wish, self.snapshot()))

    def _gpu(self, index: int) -> GpuSample:
        processes = (GpuProcess(100, ProcessType.COMPUTE),) if index in self.busy else ()
        mode = ComputeMode.PROHIBITED if index in self.prohibited else ComputeMode.DEFAULT
        known = reading(
            sampled_since_boot=self.now,
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


def satisfied(*entries: QueueEntry) -> list[bool]:
    return [entry.offer.satisfied for entry in entries]


def test_free_gpus_are_given_at_once(host: Host) -> None:
    entry = host.join(TWO)

    assert satisfied(entry) == [True]
    assert indices(entry.offer) == [0, 1]


def test_a_given_gpu_is_withheld_from_everybody_for_30_seconds(host: Host) -> None:
    host.join(TWO)

    assert host.offered() == [2, 3]
    assert indices(host.join(ONE).offer) == [2]
    host.tick(29.9)
    assert host.offered() == [3]
    host.tick(0.1)
    assert host.offered() == [0, 1, 2, 3]


def test_gpus_reserved_for_a_client_that_leaves_go_to_the_next_at_once(host: Host) -> None:
    """Not with the next Snapshot, because until then the same client may be back in the queue."""
    host.busy = {0}
    with host.queue.join(FOUR, host.snapshot()):
        small = host.join(ONE)
        assert satisfied(small) == [False]
    assert satisfied(small) == [True]


def test_gpus_given_to_a_client_that_has_disconnected_go_to_the_next_at_once(host: Host) -> None:
    host.busy = {0, 1, 2}
    with host.queue.join(ONE, host.snapshot()) as gone:
        assert satisfied(gone) == [True]
        small = host.join(ONE)
        assert satisfied(small) == [False]
    assert satisfied(small) == [True]


def test_a_client_that_gets_a_returned_gpu_keeps_its_reserved_gpus(host: Host) -> None:
    host.busy = {0, 1}
    with host.queue.join(ONE, host.snapshot()) as gone:
        assert indices(gone.offer) == [2]
        large = host.join(TWO)
        assert (satisfied(large), indices(large.offer)) == ([False], [3])
    assert (satisfied(large), indices(large.offer)) == ([True], [2, 3])


def test_a_gpu_with_a_new_job_is_not_offered_again(host: Host) -> None:
    host.join(ONE)
    host.busy = {0}

    host.tick(30)

    assert host.offered() == [1, 2, 3]


def test_a_request_without_waiting_takes_nothing(host: Host) -> None:
    assert host.offered() == host.offered() == [0, 1, 2, 3]


def test_a_request_is_satisfied_as_soon_as_there_are_enough_gpus(host: Host) -> None:
    host.busy = {0, 1, 2}
    entry = host.join(TWO)
    assert (satisfied(entry), indices(entry.offer)) == ([False], [3])

    host.busy = {0, 1}
    host.tick()

    assert (satisfied(entry), indices(entry.offer)) == ([True], [2, 3])


def test_given_gpus_stay_given_whatever_the_next_snapshot_shows(host: Host) -> None:
    entry = host.join(TWO)
    offer = entry.offer

    host.busy = {0, 1, 2, 3}
    host.tick()

    assert entry.offer is offer


def test_waiting_requests_are_served_in_their_order(host: Host) -> None:
    host.busy = {0, 1, 2, 3}
    entries = [host.join(ONE) for _ in range(5)]

    host.busy = {0, 2}
    host.tick()
    assert satisfied(*entries) == [True, True, False, False, False]
    host.busy = set()
    host.tick()

    assert satisfied(*entries) == [True, True, True, True, False]
    assert [indices(entry.offer) for entry in entries] == [[1], [3], [0], [2], []]


def test_a_later_smaller_request_does_not_overtake(host: Host) -> None:
    host.busy = {0, 1, 2}
    large, small = host.join(THREE), host.join(ONE)
    assert satisfied(large, small) == [False, False]
    assert host.offered() == [], "a request without waiting is last in the queue"

    host.busy = {2}
    host.tick()
    assert satisfied(large, small) == [True, False]
    host.busy = set()
    host.tick()

    assert indices(small.offer) == [2]


def test_only_suitable_gpus_are_reserved_for_a_waiting_request(host: Host) -> None:
    host.busy = {0, 3}
    entry = host.join(THREE)
    assert (satisfied(entry), sorted(entry.reserved)) == ([False], ["GPU-1", "GPU-2"])
    assert host.offered() == []
    assert unavailable(host) == [1, 2], "they are suitable, and reserved"

    host.busy = {0, 2}
    host.tick()
    assert entry.reserved == {"GPU-1", "GPU-3"}, "as the newest Snapshot has it"

    host.busy = {0}
    host.tick()
    assert (satisfied(entry), entry.reserved) == ([True], frozenset()), (
        "they are given, so nothing is reserved"
    )
    assert unavailable(host) == [1, 2, 3], "and withheld"


def test_no_more_gpus_are_reserved_than_requested(host: Host) -> None:
    """Of two requests for the same GPUs, the second has the GPUs reserved that the first does not need."""
    host.busy = {0, 1}
    first, second = host.join(THREE), host.join(FOUR)
    assert (sorted(first.reserved), sorted(second.reserved)) == (["GPU-2", "GPU-3"], [])

    host.busy = set()
    host.tick()
    assert (satisfied(first, second), sorted(second.reserved)) == ([True, False], ["GPU-3"])


def unavailable(host: Host) -> list[int]:
    """The GPUs that are suitable for a request without waiting, but reserved or withheld."""
    return [gpu.index for gpu in host.queue.offer_now(FOUR, host.snapshot()).unavailable]


def test_a_request_for_other_gpus_overtakes(host: Host) -> None:
    """None of these GPUs is suitable for the earlier request."""
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
def test_nothing_is_reserved_for_a_request_that_can_never_be_satisfied(host: Host, impossible: Wish) -> None:
    host.prohibited = {3}
    never = host.join(impossible)
    later = host.join(THREE)

    assert satisfied(never, later) == [False, True]


def test_nothing_is_reserved_for_a_request_once_it_has_become_impossible(host: Host) -> None:
    host.busy = {3}
    large, small = host.join(FOUR), host.join(ONE)
    assert satisfied(large, small) == [False, False]

    host.prohibited = {3}
    host.tick()

    assert satisfied(large, small) == [False, True]


def test_nothing_is_reserved_for_a_client_that_has_left(host: Host) -> None:
    host.busy = {3}
    with host.queue.join(FOUR, host.snapshot()):
        assert host.offered() == []
    assert host.offered() == [0, 1, 2]


def test_the_next_in_the_queue_gets_the_gpus_reserved_for_one_that_left(host: Host) -> None:
    host.busy = {3}
    with host.queue.join(FOUR, host.snapshot()):
        small = host.join(ONE)
        host.tick()
        assert satisfied(small) == [False]
    host.tick()

    assert indices(small.offer) == [0]


def test_a_gpu_that_was_given_but_not_delivered_is_free_again(host: Host) -> None:
    """The client had disconnected."""
    with host.queue.join(ONE, host.snapshot()) as gone, host.queue.join(ONE, host.snapshot()) as there:
        there.delivered = True
        assert [indices(gone.offer), indices(there.offer)] == [[0], [1]]
        assert host.offered() == [2, 3]

    assert host.offered() == [0, 2, 3]


def test_an_older_snapshot_changes_nothing(host: Host) -> None:
    older = host.snapshot()
    host.busy = {0, 1, 2, 3}
    host.tick()
    entry = host.join(ONE)

    host.queue.update(older)

    assert satisfied(entry) == [False]


def test_a_new_request_between_two_snapshots_is_last(host: Host) -> None:
    host.busy = {0, 1, 2}
    host.tick()
    now = host.snapshot()
    with (
        host.queue.join(TWO, now) as first,
        host.queue.join(ONE, now) as second,
        host.queue.join(ONE, now) as third,
    ):
        assert satisfied(first, second, third) == [False, False, False]
        host.busy = {0}
        host.tick()
        assert satisfied(first, second, third) == [True, True, False]


def test_twenty_requests_for_4_gpus_are_served_once_each_in_order(host: Host) -> None:
    """Each job runs for a minute; it shows on its GPU 10 seconds after the GPU was given."""
    entries = [host.join(ONE) for _ in range(20)]
    served: list[QueueEntry] = []
    jobs: dict[int, float] = {}  # GPU -> when it was given
    for _ in count():
        for entry in entries:
            if entry.offer.satisfied and entry not in served:
                (gpu,) = indices(entry.offer)
                assert gpu not in jobs, "two jobs on one GPU"
                jobs[gpu] = host.now
                served.append(entry)
        if len(served) == 20:
            break
        jobs = {gpu: at for gpu, at in jobs.items() if host.now - at < 60}
        host.busy = {gpu for gpu, at in jobs.items() if host.now - at >= 10}
        host.tick()
        assert host.now < 2000, f"only {len(served)} were served"

    assert served == entries
    assert host.now - 1000 == pytest.approx(4 * 61, abs=5), "four at a time"


def test_twenty_jobs_that_never_start_still_get_a_gpu_each_every_30_seconds(host: Host) -> None:
    entries = [host.join(ONE) for _ in range(20)]
    at = []
    for _ in range(5):
        at.append(sum(satisfied(*entries)))
        for _ in range(30):
            host.tick()

    assert at == [4, 8, 12, 16, 20]


def test_a_thousand_waiting_requests_leave_nothing_behind(host: Host) -> None:
    host.busy = {0, 1, 2, 3}
    with ExitStack() as stack:
        for number in range(1000):
            stack.enter_context(host.queue.join(Wish(count=1 + number % 5), host.snapshot()))
        host.tick()
        host.busy = set()
        host.tick()

    assert host.offered() == [0, 1, 2, 3]
    assert not host.queue._entries  # noqa: SLF001  (what would leak)
    assert not host.queue._withheld_until  # noqa: SLF001  (as above)


def test_a_snapshot_that_was_seen_before_changes_nothing_later() -> None:
    with ExitStack() as stack:
        host = Host(stack)
        host.join(FOUR)
        seen, second = host.snapshot(), host.join(FOUR)
        host.now += 31
        host.queue.update(seen)
        assert not second.offer.satisfied
        host.tick()
        assert second.offer.satisfied


def test_returned_gpus_go_to_the_next_requests_one_by_one() -> None:
    with ExitStack() as stack:
        host = Host(stack)
        host.join(TWO)
        with host.queue.join(TWO, host.snapshot()):
            first, second = host.join(ONE), host.join(ONE)
        assert (indices(first.offer), indices(second.offer)) == ([2], [3])
