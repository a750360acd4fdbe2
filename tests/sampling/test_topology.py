"""When the topology is read again, and for how many GPUs it is valid."""

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
    """Reports the topology that a test sets."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.reads: list[tuple[float, int]] = []  # the time, and the number of GPUs
        self.now = 1000.0

    def read(self, gpu_count: int) -> Topology:
        self.reads.append((self.now, gpu_count))
        return self.topology

    @contextmanager
    def known(self) -> Iterator[KnownTopology]:
        worker: Worker[Topology] = Worker("topology", lambda _: None, lambda: self.now)
        yield KnownTopology(self, worker, lambda: self.now)
        worker.stop()
        worker.join(10)


def read_topology(known: KnownTopology, gpu_count: int = 2) -> None:
    known.request(gpu_count)
    wait_until(lambda: known.worker.busy_since is None, "the topology has been read")


def test_the_topology_is_valid_only_for_the_number_of_gpus_it_was_read_for() -> None:
    with Driver(WHOLE).known() as known:
        assert known.get(2) is None
        read_topology(known)
        assert (known.get(2), known.get(3)) == (WHOLE, None)


@pytest.mark.parametrize(("topology", "at"), [(WHOLE, [1000.0]), (IN_PART, [1000.0, 1060.0])])
def test_an_incomplete_topology_is_read_again_after_a_minute(topology: Topology, at: list[float]) -> None:
    driver = Driver(topology)
    with driver.known() as known:
        for now in (1000.0, 1059.9, 1060.0):
            driver.now = now
            read_topology(known)

    assert driver.reads == [(moment, 2) for moment in at]


def test_another_number_of_gpus_is_read_even_if_the_last_topology_was_complete() -> None:
    driver = Driver(WHOLE)
    with driver.known() as known:
        read_topology(known)
        driver.now += 60
        read_topology(known, 3)

    assert [gpu_count for _, gpu_count in driver.reads] == [2, 3]


def test_without_a_source_the_topology_is_never_known() -> None:
    worker: Worker[Topology] = Worker("topology", lambda _: None, lambda: 0.0)
    known = KnownTopology(None, worker, lambda: 1000.0)
    known.request(2)
    worker.stop()
    worker.join(10)

    assert worker.result is None
