"""XIDs are counted in a thread of their own; none is lost, whatever happens to the driver."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from agent.readings import SourceError, XidCount
from agent.sampling import xid_watch
from agent.sampling.kernel_log_tally import Tally
from agent.sampling.xid_watch import XidWatch
from agent.simulation import NvmlReturn, Simulation
from agent.sources.gpu.xid import XidEventSource
from tests.support.agents import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG_PACE = 60.0
RETRY = 5.0

BOOTED_AT, SINCE_BOOT = 1_757_000_000.0, 926_800.0
NOW = BOOTED_AT + SINCE_BOOT


class Shifted:
    """The monotonic clock, moved on by `shift` seconds."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.shift


@contextmanager
def watching(gpus: int, clock: Shifted | None = None, logged: Tally | None = None) -> Iterator[XidWatch]:
    watch = XidWatch(
        XidEventSource(),
        logged=lambda: logged or Tally(),
        clock=clock or Shifted(),
        since_boot=lambda: SINCE_BOOT,
    )
    watch.follow(gpus)
    try:
        yield watch
    finally:
        watch.stop()
        watch.join(timeout=10)
        assert watch.ended


def uuid(simulation: Simulation, index: int = 0) -> str:
    found = simulation.gpus[index].values.uuid
    assert found
    return found


def is_heard(watch: XidWatch, simulation: Simulation, index: int = 0) -> None:
    wait_until(lambda: watch.counts(uuid(simulation, index), BOOTED_AT) is not None, "the GPU is listened to")


def test_what_fails_is_tried_again_after_five_seconds_and_the_same_xid_logged_after_a_minute() -> None:
    assert (xid_watch.RETRY, xid_watch.LOG_PACE) == (5, 60)


def test_the_end_does_not_wait_until_the_next_try() -> None:
    with Simulation(1) as simulation:
        simulation.fail("nvmlEventSetCreate", NvmlReturn.UNKNOWN)
        watch = XidWatch(XidEventSource())
        watch.follow(1)
        wait_until(lambda: simulation.calls["nvmlEventSetCreate"], "it was tried")
        wait_until(watch._at_rest.is_set, "it pauses")  # noqa: SLF001
        watch.stop()
        watch.join(2.5)
        assert watch.ended


def test_every_xid_is_counted_by_gpu_and_code() -> None:
    with Simulation(2) as simulation, watching(2) as watch:
        is_heard(watch, simulation, 1)
        for code in [31] * 100 + [79, 31]:
            simulation.gpus[1].raise_xid(code)

        expected = {31: XidCount(101, NOW), 79: XidCount(1, NOW)}
        wait_until(lambda: watch.counts(uuid(simulation, 1), BOOTED_AT) == expected, "all are counted")
        assert watch.counts(uuid(simulation, 0), BOOTED_AT) == {}


def test_those_about_the_memory_of_a_gpu_are_summed() -> None:
    with Simulation(2) as simulation, watching(2) as watch:
        is_heard(watch, simulation, 1)
        for code in (48, 31, 63, 48, 79):
            simulation.gpus[1].raise_xid(code)

        wait_until(lambda: len(watch.counts(uuid(simulation, 1), BOOTED_AT) or ()) == 4, "all are counted")
        found = [watch.about_memory(each) for each in (uuid(simulation, 1), uuid(simulation, 0), None)]
        assert found == [3, 0, 0]


def test_gpus_that_are_all_heard_cost_no_further_call() -> None:
    clock = Shifted()
    with Simulation(1) as simulation, watching(1, clock) as watch:
        is_heard(watch, simulation)
        heard: list[int] = []
        for code in (31, 79):
            clock.shift += RETRY
            simulation.gpus[0].raise_xid(code)
            heard.append(code)
            wait_until(lambda: [*(watch.counts(uuid(simulation), BOOTED_AT) or ())] == heard, "it is heard")
        assert simulation.calls["nvmlDeviceGetHandleByIndex_v2"] == 1


def test_what_the_kernel_log_had_before_a_gpu_is_heard_is_kept() -> None:
    logged = Tally()
    with Simulation(1) as simulation, watching(1, logged=logged) as watch:
        is_heard(watch, simulation)
        assert watch.logged_before(uuid(simulation)) is logged
        for other in ("GPU-other", None):
            assert watch.logged_before(other) is not logged
            assert isinstance(watch.logged_before(other), Tally)


def test_nobody_listens_before_there_is_contact() -> None:
    with Simulation(1) as simulation:
        watch = XidWatch(XidEventSource())

        assert watch.counts(uuid(simulation), BOOTED_AT) is None
        assert watch.counts(None, BOOTED_AT) is None
        assert watch.ended
        assert simulation.total_calls == 0


def test_a_lost_gpu_does_not_make_the_others_deaf() -> None:
    clock = Shifted()
    with Simulation(2) as simulation, watching(2, clock) as watch:
        is_heard(watch, simulation, 1)
        clock.shift += RETRY  # it has listened for a while: it begins again at once
        simulation.gpus[1].raise_xid(79)
        simulation.gpus[1].lose()
        wait_until(lambda: simulation.calls["nvmlEventSetCreate"] == 2, "it listens anew")
        wait_until(lambda: simulation.calls["nvmlDeviceRegisterEvents"] == 3, "to the other GPU")
        simulation.gpus[0].raise_xid(31)

        wait_until(
            lambda: watch.counts(uuid(simulation, 0), BOOTED_AT) == {31: XidCount(1, NOW)}, "it is heard"
        )
        assert watch.counts(uuid(simulation, 1), BOOTED_AT) == {79: XidCount(1, NOW)}, (
            "and what was counted stays"
        )


def test_more_gpus_are_listened_to_once_the_driver_counts_them() -> None:
    with Simulation(3) as simulation, watching(1) as watch:
        is_heard(watch, simulation)
        watch.follow(3)

        is_heard(watch, simulation, 2)


def test_while_paused_it_calls_nobody_and_it_begins_again_at_the_next_follow() -> None:
    clock = Shifted()
    with Simulation(2) as simulation, watching(2, clock) as watch:
        is_heard(watch, simulation, 1)
        wait_until(watch.pause, "it has let go")
        assert not simulation.event_sets.by_pointer
        calls = simulation.total_calls
        clock.shift += RETRY
        assert watch.pause()
        assert simulation.total_calls == calls

        watch.follow(2)
        wait_until(lambda: simulation.event_sets.by_pointer, "it listens again")


def test_a_storm_of_one_xid_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, xid_watch.__name__)
    clock = Shifted()
    with Simulation(1) as simulation, watching(1, clock) as watch:
        is_heard(watch, simulation)

        def heard(times: int) -> None:
            simulation.gpus[0].raise_xid(31)
            wait_until(
                lambda: (watch.counts(uuid(simulation), BOOTED_AT) or {}).get(31) == XidCount(times, NOW),
                "it is counted",
            )

        heard(1)
        heard(2)
        clock.shift += LOG_PACE
        heard(3)
        name = uuid(simulation)

    assert [record.getMessage() for record in caplog.records] == [
        f"GPU {name} reports XID 31: GPU memory page fault"
    ] * 2


class Broken:
    """A source that fails in a way nobody expected."""

    uuids: frozenset[str] = frozenset({"GPU-0"})

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.waits = 0

    def why_not(self, uuid: str | None) -> None: ...

    def listen(self, gpu_count: int) -> None: ...

    def wait(self) -> tuple[str, int] | None:
        self.waits += 1
        raise self.error

    def close(self) -> None: ...


@pytest.mark.parametrize("error", [SourceError("no driver"), ValueError("ours")], ids=["driver", "ours"])
def test_a_fault_is_tried_again_later_and_not_at_once(error: Exception) -> None:
    source = Broken(error)
    watch = XidWatch(source)
    watch.follow(1)
    wait_until(lambda: source.waits == 1, "it has failed")

    watch.stop()
    watch.join(timeout=10)

    assert watch.ended
    assert source.waits == 1
