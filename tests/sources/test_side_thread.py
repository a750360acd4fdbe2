"""Hung reads are abandoned, up to a maximum number."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from agent.sources.side_thread import SideThread
from tests.support.agents import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LEFT_BEHIND = 4

PATIENT = 20.0  # seconds: long enough for every read that does not hang, on a loaded machine too
HANGS = 0.01


class Hang:
    """A read that yields one value and then hangs until `let_go`."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._let_go = threading.Event()
        self.thread: threading.Thread | None = None

    def read(self) -> Iterator[str]:
        self.thread = threading.current_thread()
        self.entered.set()
        yield "before"
        assert self._let_go.wait(30), "the test forgot to let a read go"
        yield "after"

    def let_go(self) -> None:
        """Let the read continue, and wait until its thread has ended."""
        self._let_go.set()
        assert self.entered.wait(30)
        assert self.thread is not None
        self.thread.join(30)
        assert not self.thread.is_alive(), "a thread that was left behind ends once its read returns"


def own_thread() -> Iterator[threading.Thread]:
    yield threading.current_thread()


def test_one_thread_serves_every_read() -> None:
    side = SideThread(PATIENT)
    threads = [side.read(key, own_thread()) for key in range(3)]
    assert threads[0] == threads[1] == threads[2]
    assert threads[0] != [threading.current_thread()]
    assert threads[0][0].daemon, "a hung thread does not keep the agent running"


def test_the_thread_ends_with_its_owner() -> None:
    side = SideThread(PATIENT)
    (thread,) = side.read(1, own_thread())
    del side
    thread.join(30)
    assert not thread.is_alive()


def test_values_read_before_a_hang_are_returned_and_other_reads_continue() -> None:
    side, hang = SideThread(HANGS), Hang()
    found = side.read("hung", hang.read())
    assert found in (["before"], []), "a loaded machine may not even begin in time"
    wait_until(lambda: side.read("other", iter([1, 2])) == [1, 2], "another thread reads")
    hang.let_go()


def test_a_hung_read_is_not_repeated_until_it_returns() -> None:
    side, hang = SideThread(HANGS), Hang()
    side.read("hung", hang.read())
    assert side.read("hung", own_thread()) == []
    hang.let_go()
    wait_until(lambda: side.read("hung", iter([1])) == [1], "it is read again")


def test_at_most_four_hung_threads_are_left_behind() -> None:
    side, hangs = SideThread(HANGS), [Hang() for _ in range(MAX_LEFT_BEHIND)]
    for number, hang in enumerate(hangs):
        side.read(number, hang.read())
    before = threading.active_count()
    reads: list[int] = []

    def count_reads() -> Iterator[int]:
        reads.append(1)
        yield 1

    assert [side.read(f"other {number}", count_reads()) for number in range(20)] == [[]] * 20
    assert reads == []
    assert threading.active_count() <= before
    hangs[0].let_go()
    wait_until(lambda: side.read("other", count_reads()) == [1], "one has returned: others are read again")
    for hang in hangs[1:]:
        hang.let_go()


def test_an_exception_is_raised_in_the_caller_and_the_thread_continues() -> None:
    def fail() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    side = SideThread(PATIENT)
    with pytest.raises(ZeroDivisionError):
        side.read(1, fail())
    assert side.read(1, iter([2])) == [2]


def test_slow_reads_of_one_round_share_one_time_limit() -> None:
    def slow() -> Iterator[int]:
        time.sleep(0.01)
        yield 1

    side = SideThread(PATIENT, patience=0.05)
    side.begin_round()
    found = [side.read(number, slow()) for number in range(20)]
    assert [] in found
    assert found == sorted(found, reverse=True), "the first are read, and then none"

    def in_another_round() -> bool:
        side.begin_round()
        return side.read(0, iter([1])) == [1]

    wait_until(in_another_round, "the others are read in the next round")
