"""XIDs from before and after a restart are counted once each, whatever their source."""

from __future__ import annotations

import pytest

from agent.readings import Blamed, XidCount, XidSource
from agent.readings.restored import KeptXid
from agent.sampling.known_xids import KnownXids
from agent.sampling.restored_xids import with_restored
from tests.sampling.test_known_xids import BOOTED_AT, GPU, UUID, Events, Log

KEPT = KeptXid(3, 100.0, XidSource.NVML, Blamed(7, "python"))


@pytest.mark.parametrize(
    ("times", "restored", "own", "logged_before", "why"),
    [
        (3, 3, 0, 0, "none since"),
        (5, 3, 2, 0, "the events alone tell of those since"),
        (5, 0, 5, 3, "the log has all of before, and two since"),
        (6, 0, 6, 4, "the log has one of the time between"),
        (4, 2, 2, 1, "the log has lost two of before, and one came since"),
    ],
)
def test_each_is_counted_once(times: int, restored: int, own: int, logged_before: int, why: str) -> None:
    mine = {79: XidCount(own, BOOTED_AT + 200, XidSource.NVML)} if own else {}

    lines = {79: logged_before} if logged_before else {}
    found = with_restored(mine, {79: KEPT}, lines, BOOTED_AT, None)[79]

    assert (found.times, found.restored) == (times, restored), why
    assert found.last_at == BOOTED_AT + (200 if own else 100)


def test_each_code_is_counted_by_itself() -> None:
    mine = {48: XidCount(1, BOOTED_AT + 100, XidSource.NVML, Blamed(8, "julia"))}

    found = with_restored(mine, {79: KEPT, 48: KEPT}, {}, BOOTED_AT, None)

    assert {code: count.times for code, count in found.items()} == {79: 3, 48: 4}
    assert found[48].blamed == Blamed(8, "julia"), "of two in the same moment, what this agent knows"


def test_of_an_xid_that_did_not_happen_again_the_program_is_still_known() -> None:
    assert with_restored({}, {79: KEPT}, {}, BOOTED_AT, None)[79].blamed == Blamed(7, "python")


@pytest.mark.parametrize(("reset_at", "ended"), [(None, False), (50.0, False), (100.0, False), (150.0, True)])
def test_a_reset_that_the_log_tells_of_ends_it(reset_at: float | None, ended: bool) -> None:
    assert with_restored({}, {79: KEPT}, {}, BOOTED_AT, reset_at)[79].was_reset is ended


def test_before_anybody_listens_it_is_held_against_the_gpu_already() -> None:
    log = Log()
    events = Events(log)
    events.heard = None
    known = KnownXids(events, log, restored={UUID: {79: KEPT}})

    (gpu,) = known.with_xids([GPU], BOOTED_AT, None)

    assert gpu.xids is not None
    assert gpu.xids[79].times == 3


def test_the_lines_of_the_log_that_were_counted_before_are_not_counted_again() -> None:
    log = Log()
    for at in (80, 90, 100):
        log.xid(at, 79)
    events = Events(log)
    events.heard = None
    known = KnownXids(events, log, restored={UUID: {79: KEPT}})
    counts = []
    for step in ("nobody listens", "listened to", "a further one"):
        if step == "listened to":
            events.heard = {}
        if step == "a further one":
            events.hear(300, 79)
            log.xid(300, 79)
        (gpu,) = known.with_xids([GPU], BOOTED_AT, None)
        assert gpu.xids is not None
        counts.append(gpu.xids[79].times)

    assert counts == [3, 3, 4]
