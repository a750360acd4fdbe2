"""One thread, one source, one answer at a time."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest

from agent.readings import SourceError
from agent.sampling.worker import ReadResult, Worker
from tests.support.clock import Clock
from tests.support.sources import Valve

if TYPE_CHECKING:
    from collections.abc import Iterator

SUSPENDED = 3600.0  # seconds that the machine was suspended since it booted


class Watched:
    """A worker and a semaphore that counts its answers."""

    def __init__(self) -> None:
        self.clock = Clock(100.0)
        self._answers = threading.Semaphore(0)
        self.worker: Worker[int] = Worker(
            "test", lambda _worker: self._answers.release(), self.clock, lambda: self.clock() + SUSPENDED
        )

    def wait_for_answer(self) -> None:
        assert self._answers.acquire(timeout=10), "the worker did not answer"


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.worker.stop()
    watched.worker.join(10)


def test_a_reading_is_published_with_its_start_and_duration(watched: Watched) -> None:
    def read() -> int:
        watched.clock.now += 0.5
        return 42

    watched.worker.request(read)
    watched.wait_for_answer()
    assert watched.worker.result == ReadResult(
        42, None, started_at=100.0, seconds=0.5, started_since_boot=SUSPENDED + 100.0
    )
    assert watched.worker.busy_since is None


def test_a_reading_that_began_too_early_is_not_returned(watched: Watched) -> None:
    assert watched.worker.reading_from(0.0) is None, "before the first"
    watched.worker.request(lambda: 42)
    watched.wait_for_answer()

    earliest = [SUSPENDED + seconds for seconds in (99.5, 100.0, 100.5)]
    assert [watched.worker.reading_from(since_boot) for since_boot in earliest] == [42, 42, None]


def test_its_thread_ends_when_it_is_stopped(watched: Watched) -> None:
    assert not watched.worker.ended
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "test"), "hung or not"
    watched.worker.stop()
    watched.worker.join(10)
    assert watched.worker.ended


def test_a_source_error_is_published_as_its_sentence(watched: Watched) -> None:
    def refuse() -> int:
        raise SourceError("The GPU is lost")

    watched.worker.request(refuse)
    watched.wait_for_answer()
    result = watched.worker.result
    assert result is not None
    assert (result.reading, result.error) == (None, "The GPU is lost")


def test_a_hung_call_keeps_the_last_answer_and_takes_no_second_request(watched: Watched) -> None:
    valve = Valve()
    reads: list[int] = []

    def read() -> int:
        reads.append(1)
        valve.pass_through()
        return len(reads)

    watched.worker.request(read)
    watched.wait_for_answer()
    valve.close()
    assert watched.worker.request(read)
    assert valve.entered.wait(10)
    watched.clock.now = 160.0
    assert not watched.worker.request(read)
    assert watched.worker.busy_since == 100.0, "since the call began, not since the second request"
    assert watched.worker.result is not None
    assert watched.worker.result.reading == 1
    valve.open()
    watched.wait_for_answer()
    assert watched.worker.result.reading == 2
    assert watched.worker.busy_since is None


def test_slow_work_runs_after_the_answer_is_published(watched: Watched) -> None:
    valve = Valve()
    valve.close()
    watched.worker.request(lambda: 1, valve.pass_through)
    watched.wait_for_answer()
    assert watched.worker.busy_since is None, "the worker counts as free"
    assert valve.entered.wait(10)
    valve.open()


def test_an_internal_error_is_an_answer_and_logged_once_and_the_thread_continues(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise ZeroDivisionError("never")

    def fail_later() -> None:
        raise ZeroDivisionError("later")

    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            watched.worker.request(fail)
            watched.wait_for_answer()
        assert watched.worker.result is not None
        assert "its log says why" in str(watched.worker.result.error)
        watched.worker.request(lambda: 3, fail_later)
        watched.wait_for_answer()
        watched.worker.request(lambda: 4)  # after the work that fails later
        watched.wait_for_answer()
    assert [str(record.exc_info and record.exc_info[1]) for record in caplog.records] == ["never", "later"]
    watched.worker.request(lambda: 7)
    watched.wait_for_answer()
    assert watched.worker.result.reading == 7
