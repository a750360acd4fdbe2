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
        (5, 3, 2, 0, "two since, known from events alone"),
        (5, 0, 5, 3, "the log has all three from before, and two came since"),
        (6, 0, 6, 4, "the log has one more from between the two agents"),
        (4, 2, 2, 1, "the log has lost two from before, and one came since"),
    ],
)
def test_each_xid_is_counted_once(times: int, restored: int, own: int, logged_before: int, why: str) -> None:
    mine = {79: XidCount(own, BOOTED_AT + 200, XidSource.NVML)} if own else {}

    lines = {79: logged_before} if logged_before else {}
    found = with_restored(mine, {79: KEPT}, lines, BOOTED_AT, None)[79]

    assert (found.times, found.restored) == (times, restored), why
    assert found.last_at == BOOTED_AT + (200 if own else 100)


def test_each_code_is_counted_separately() -> None:
    mine = {48: XidCount(1, BOOTED_AT + 100, XidSource.NVML, Blamed(8, "julia"))}

    found = with_restored(mine, {79: KEPT, 48: KEPT}, {}, BOOTED_AT, None)

    assert {code: count.times for code, count in found.items()} == {79: 3, 48: 4}
    assert found[48].blamed == Blamed(8, "julia"), "of two at the same time, the one of this agent"


def test_the_program_of_an_xid_that_did_not_occur_again_stays_known() -> None:
    assert with_restored({}, {79: KEPT}, {}, BOOTED_AT, None)[79].blamed == Blamed(7, "python")


@pytest.mark.parametrize(("reset_at", "ended"), [(None, False), (50.0, False), (100.0, False), (150.0, True)])
def test_a_later_reset_in_the_log_ends_a_restored_xid(reset_at: float | None, ended: bool) -> None:
    assert with_restored({}, {79: KEPT}, {}, BOOTED_AT, reset_at)[79].was_reset is ended


def test_a_restored_xid_counts_before_events_are_received() -> None:
    log = Log()
    events = Events(log)
    events.heard = None
    known = KnownXids(events, log, restored={UUID: {79: KEPT}})

    (gpu,) = known.with_xids([GPU], BOOTED_AT, None)

    assert gpu.xids is not None
    assert gpu.xids[79].times == 3


def test_lines_that_were_counted_before_the_restart_are_not_counted_again() -> None:
    log = Log()
    for at in (80, 90, 100):
        log.xid(at, 79)
    events = Events(log)
    events.heard = None
    known = KnownXids(events, log, restored={UUID: {79: KEPT}})
    counts = []
    for step in ("no events yet", "listening", "another XID"):
        if step == "listening":
            events.heard = {}
        if step == "another XID":
            events.hear(300, 79)
            log.xid(300, 79)
        (gpu,) = known.with_xids([GPU], BOOTED_AT, None)
        assert gpu.xids is not None
        counts.append(gpu.xids[79].times)

    assert counts == [3, 3, 4]
