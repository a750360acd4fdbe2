"""XIDs are counted in their own thread; none is lost, whatever happens to the driver."""

from __future__ import annotations

import logging
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
from tests.support.clock import Shifted

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG_PACE = 60.0
RETRY = 5.0

BOOTED_AT, SINCE_BOOT = 1_757_000_000.0, 926_800.0
NOW = BOOTED_AT + SINCE_BOOT


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


def wait_until_listening(watch: XidWatch, simulation: Simulation, index: int = 0) -> None:
    wait_until(lambda: watch.counts(uuid(simulation, index), BOOTED_AT) is not None, "the GPU is listened to")


def test_failures_are_tried_again_after_five_seconds_and_an_xid_logged_again_after_a_minute() -> None:
    assert (xid_watch.RETRY, xid_watch.LOG_PACE) == (5, 60)


def test_stopping_does_not_wait_for_the_next_try() -> None:
    with Simulation(1) as simulation:
        simulation.fail("nvmlEventSetCreate", NvmlReturn.UNKNOWN)
        watch = XidWatch(XidEventSource())
        watch.follow(1)
        wait_until(lambda: simulation.calls["nvmlEventSetCreate"], "the first try has failed")
        wait_until(watch._at_rest.is_set, "the watch pauses")  # noqa: SLF001
        watch.stop()
        watch.join(2.5)
        assert watch.ended


def test_every_xid_is_counted_by_gpu_and_code() -> None:
    with Simulation(2) as simulation, watching(2) as watch:
        wait_until_listening(watch, simulation, 1)
        for code in [31] * 100 + [79, 31]:
            simulation.gpus[1].raise_xid(code)

        expected = {31: XidCount(101, NOW), 79: XidCount(1, NOW)}
        wait_until(lambda: watch.counts(uuid(simulation, 1), BOOTED_AT) == expected, "all are counted")
        assert watch.counts(uuid(simulation, 0), BOOTED_AT) == {}


def test_xids_about_the_memory_of_a_gpu_are_summed() -> None:
    with Simulation(2) as simulation, watching(2) as watch:
        wait_until_listening(watch, simulation, 1)
        for code in (48, 31, 63, 48, 79):
            simulation.gpus[1].raise_xid(code)

        wait_until(lambda: len(watch.counts(uuid(simulation, 1), BOOTED_AT) or ()) == 4, "all are counted")
        found = [watch.about_memory(each) for each in (uuid(simulation, 1), uuid(simulation, 0), None)]
        assert found == [3, 0, 0]


def test_no_driver_call_is_made_once_events_of_all_gpus_are_awaited() -> None:
    clock = Shifted()
    with Simulation(1) as simulation, watching(1, clock) as watch:
        wait_until_listening(watch, simulation)
        heard: list[int] = []
        for code in (31, 79):
            clock.shift += RETRY
            simulation.gpus[0].raise_xid(code)
            heard.append(code)
            wait_until(lambda: [*(watch.counts(uuid(simulation), BOOTED_AT) or ())] == heard, "it is heard")
        assert simulation.calls["nvmlDeviceGetHandleByIndex_v2"] == 1


def test_earlier_xids_of_the_kernel_log_are_kept_when_events_are_awaited() -> None:
    logged = Tally()
    with Simulation(1) as simulation, watching(1, logged=logged) as watch:
        wait_until_listening(watch, simulation)
        assert watch.logged_before(uuid(simulation)) is logged
        for other in ("GPU-other", None):
            assert watch.logged_before(other) is not logged
            assert isinstance(watch.logged_before(other), Tally)


def test_no_events_are_awaited_before_the_driver_is_contacted() -> None:
    with Simulation(1) as simulation:
        watch = XidWatch(XidEventSource())

        assert watch.counts(uuid(simulation), BOOTED_AT) is None
        assert watch.counts(None, BOOTED_AT) is None
        assert watch.ended
        assert simulation.total_calls == 0


def test_after_the_loss_of_a_gpu_the_xids_of_the_others_are_still_received() -> None:
    clock = Shifted()
    with Simulation(2) as simulation, watching(2, clock) as watch:
        wait_until_listening(watch, simulation, 1)
        clock.shift += RETRY  # after listening for a while it begins again at once
        simulation.gpus[1].raise_xid(79)
        simulation.gpus[1].lose()
        wait_until(lambda: simulation.calls["nvmlEventSetCreate"] == 2, "it listens again")
        wait_until(lambda: simulation.calls["nvmlDeviceRegisterEvents"] == 3, "to the other GPU")
        simulation.gpus[0].raise_xid(31)

        wait_until(
            lambda: watch.counts(uuid(simulation, 0), BOOTED_AT) == {31: XidCount(1, NOW)},
            "the XID is received",
        )
        assert watch.counts(uuid(simulation, 1), BOOTED_AT) == {79: XidCount(1, NOW)}, (
            "and what was counted stays"
        )


def test_more_gpus_are_listened_to_once_the_driver_counts_them() -> None:
    with Simulation(3) as simulation, watching(1) as watch:
        wait_until_listening(watch, simulation)
        watch.follow(3)

        wait_until_listening(watch, simulation, 2)


def test_a_paused_watch_makes_no_calls_and_starts_again_at_the_next_follow() -> None:
    clock = Shifted()
    with Simulation(2) as simulation, watching(2, clock) as watch:
        wait_until_listening(watch, simulation, 1)
        wait_until(watch.pause, "the watch has paused")
        assert not simulation.event_sets.by_pointer
        calls = simulation.total_calls
        clock.shift += RETRY
        assert watch.pause()
        assert simulation.total_calls == calls

        watch.follow(2)
        wait_until(lambda: simulation.event_sets.by_pointer, "it listens again")


def test_a_watch_with_a_hung_call_does_not_listen_until_the_call_returns() -> None:
    clock = Shifted()
    with Simulation(2) as simulation, watching(2, clock) as watch:
        wait_until_listening(watch, simulation, 1)
        wait_until(watch.pause, "the watch has paused")
        clock.shift += 3 * RETRY
        assert watch.is_listening, "a pause is intended"
        simulation.gpus[1].hang()
        watch.follow(2)
        assert watch.is_listening, "it has just begun"
        clock.shift += 3 * RETRY
        assert not watch.is_listening
        assert watch.counts(uuid(simulation, 0), BOOTED_AT) == {}
        simulation.gpus[1].release()
        wait_until(lambda: watch.is_listening, "it listens again")


def test_a_watch_whose_waits_fail_does_not_listen() -> None:
    clock = Shifted()
    with Simulation(1) as simulation, watching(1, clock) as watch:
        wait_until_listening(watch, simulation)
        simulation.fail("nvmlEventSetWait_v2", NvmlReturn.UNKNOWN)
        wait_until(watch._at_rest.is_set, "the watch waits for its next try")  # noqa: SLF001
        clock.shift += RETRY
        assert watch.is_listening, "a single failure does not count"
        clock.shift += 2 * RETRY
        assert not watch.is_listening


def test_a_storm_of_one_xid_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, xid_watch.__name__)
    clock = Shifted()
    with Simulation(1) as simulation, watching(1, clock) as watch:
        wait_until_listening(watch, simulation)

        def heard(times: int) -> None:
            simulation.gpus[0].raise_xid(31)
            wait_until(
                lambda: (watch.counts(uuid(simulation), BOOTED_AT) or {}).get(31) == XidCount(times, NOW),
                "the XID is counted",
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
    """A source that always fails."""

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


@pytest.mark.parametrize(
    "error", [SourceError("no driver"), ValueError("internal")], ids=["driver", "internal error"]
)
def test_a_failure_is_tried_again_later_and_not_at_once(error: Exception) -> None:
    source = Broken(error)
    watch = XidWatch(source)
    watch.follow(1)
    wait_until(lambda: source.waits == 1, "the source has failed")

    watch.stop()
    watch.join(timeout=10)

    assert watch.ended
    assert source.waits == 1
