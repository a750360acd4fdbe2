"""When it is asked how the GPUs are connected, and of how many GPUs the answer holds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from agent.readings import Topology
from agent.sampling.topology import KnownTopology
from agent.sampling.worker import Worker
from tests.support.agents import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE = Topology(((None, 10), (10, None)))
IN_PART = Topology(((None, None), (None, None)))


class Driver:
    """Says how two GPUs are connected, as a test wants it."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.asked: list[tuple[float, int]] = []  # when, and of how many GPUs
        self.now = 1000.0

    def read(self, gpu_count: int) -> Topology:
        self.asked.append((self.now, gpu_count))
        return self.topology

    @contextmanager
    def known(self) -> Iterator[KnownTopology]:
        worker: Worker[Topology] = Worker("topology", lambda _: None, lambda: self.now)
        yield KnownTopology(self, worker, lambda: self.now)
        worker.stop()
        worker.join(10)


def ask(known: KnownTopology, gpu_count: int = 2) -> None:
    known.request(gpu_count)
    wait_until(lambda: known.worker.busy_since is None, "it has answered")


def test_it_is_that_of_as_many_gpus_as_were_asked_of() -> None:
    with Driver(WHOLE).known() as known:
        assert known.get(2) is None
        ask(known)
        assert (known.get(2), known.get(3)) == (WHOLE, None)


@pytest.mark.parametrize(("topology", "at"), [(WHOLE, [1000.0]), (IN_PART, [1000.0, 1060.0])])
def test_what_is_not_known_in_full_is_asked_again_after_a_minute(topology: Topology, at: list[float]) -> None:
    driver = Driver(topology)
    with driver.known() as known:
        for now in (1000.0, 1059.9, 1060.0):
            driver.now = now
            ask(known)

    assert driver.asked == [(moment, 2) for moment in at]


def test_another_number_of_gpus_is_asked_of_though_the_answer_before_was_whole() -> None:
    driver = Driver(WHOLE)
    with driver.known() as known:
        ask(known)
        driver.now += 60
        ask(known, 3)

    assert [gpu_count for _, gpu_count in driver.asked] == [2, 3]


def test_where_nobody_tells_it_is_never_known() -> None:
    worker: Worker[Topology] = Worker("topology", lambda _: None, lambda: 0.0)
    known = KnownTopology(None, worker, lambda: 1000.0)
    known.request(2)
    worker.stop()
    worker.join(10)

    assert worker.result is None
