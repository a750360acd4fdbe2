"""Lines of the kernel log are counted as XIDs of a GPU, in any slot, and as errors of switches, in bounds."""

from __future__ import annotations

import pytest

from agent.readings import Blamed, SxidCount
from agent.readings.kernel_lines import FallenLine, Line, ResetLine, SxidLine, UuidLine, XidLine
from agent.sampling.kernel_log_tally import LoggedXid, Tally

MAX_GPUS, MAX_SWITCHES, MAX_CODES = 256, 64, 256
HERE, THERE = "0000:3b:00", "0000:af:00"
A, B = "GPU-a", "GPU-b"


def tally(*lines: Line) -> Tally:
    """The tally of these lines, written 10 s apart from second 0."""
    found = Tally()
    for number, line in enumerate(lines):
        found.take(10.0 * number, line)
    return found


def test_xids_are_counted_by_gpu_and_code_with_the_time_and_program_of_the_last() -> None:
    found = tally(
        XidLine(HERE, 31, 7, "a"), XidLine(HERE, 31, 8, "b"), XidLine(THERE, 13, 9), XidLine(HERE, 79)
    )

    assert found.xids(A, HERE) == {31: LoggedXid(2, 10.0, Blamed(8, "b")), 79: LoggedXid(1, 30.0)}
    assert found.xids(B, THERE) == {13: LoggedXid(1, 20.0, Blamed(9, None))}


def test_lines_of_the_same_fault_keep_its_program() -> None:
    found = Tally()
    found.take(5.0, XidLine(HERE, 13, 7, "a"))
    found.take(5.5, XidLine(HERE, 13))
    assert found.xids(A, HERE) == {13: LoggedXid(2, 5.5, Blamed(7, "a"))}
    found.take(60.0, XidLine(HERE, 13))

    assert found.xids(A, HERE) == {13: LoggedXid(3, 60.0)}, "the program of that line is unknown"


@pytest.mark.parametrize(("later", "blamed"), [(1.0, Blamed(7, "a")), (1.5, None)])
def test_lines_within_a_second_are_of_the_same_fault(later: float, blamed: Blamed | None) -> None:
    found = Tally()
    found.take(5.0, XidLine(HERE, 13, 7, "a"))
    found.take(5.0 + later, XidLine(HERE, 13))

    assert found.xids(A, HERE)[13].blamed == blamed


@pytest.mark.parametrize(("later", "was_reset"), [(10.0, False), (10.5, True)])
def test_a_reset_done_within_ten_seconds_of_a_failure_belongs_to_it(later: float, was_reset: bool) -> None:
    found = Tally()
    found.take(1.0, XidLine(HERE, 48))
    found.take(5.0, ResetLine(HERE, failed=True))
    found.take(5.0 + later, ResetLine(HERE))

    assert found.xids(A, HERE)[48].was_reset is was_reset


def test_a_gpu_that_moves_to_another_slot_keeps_its_xids() -> None:
    found = tally(
        UuidLine(HERE, A),
        XidLine(HERE, 31),
        UuidLine(HERE, B),
        XidLine(HERE, 79),
        UuidLine(THERE, A),
        XidLine(THERE, 31),
    )

    assert found.xids(A, THERE) == {31: LoggedXid(2, 50.0)}
    assert found.xids(B, HERE) == {79: LoggedXid(1, 30.0)}


def test_a_gpu_without_a_uuid_has_the_xids_of_its_slot() -> None:
    found = tally(UuidLine(HERE, A), XidLine(HERE, 31), UuidLine(HERE, B), XidLine(HERE, 79))

    assert found.xids(None, HERE).keys() == {79}
    assert found.xids(None, None) == {}


def test_a_reset_ends_only_the_earlier_xids_of_its_gpu() -> None:
    found = tally(XidLine(HERE, 48), XidLine(THERE, 48), FallenLine(HERE), ResetLine(HERE), XidLine(HERE, 63))

    assert found.xids(A, HERE) == {48: LoggedXid(1, 0.0, was_reset=True), 63: LoggedXid(1, 40.0)}
    assert found.xids(B, THERE) == {48: LoggedXid(1, 10.0)}
    assert found.reset_at(A, HERE) == 30.0
    assert found.reset_at(B, THERE) is None
    assert found.fallen() == []


def test_an_xid_after_the_reset_counts_again() -> None:
    assert tally(XidLine(HERE, 48), ResetLine(HERE), XidLine(HERE, 48)).xids(A, HERE) == {
        48: LoggedXid(2, 20.0)
    }


def test_a_failed_reset_ends_no_xid() -> None:
    """The kernel logs "reset done" in any case."""
    found = tally(XidLine(HERE, 79), ResetLine(HERE, failed=True), ResetLine(HERE))
    assert found.xids(A, HERE) == {79: LoggedXid(1, 0.0)}
    found.take(99.0, ResetLine(HERE))

    assert found.xids(A, HERE) == {79: LoggedXid(1, 0.0, was_reset=True)}, "the next reset may succeed"


def test_a_device_that_did_not_return_from_suspension_can_be_reset_later() -> None:
    """In both cases the kernel logs that the device is not ready; only a reset is logged as done."""
    found = tally(XidLine(HERE, 48), ResetLine(HERE, failed=True))
    found.take(900.0, ResetLine(HERE))

    assert found.xids(A, HERE) == {48: LoggedXid(1, 0.0, was_reset=True)}
    assert found.reset_at(A, HERE) == 900.0


def test_the_end_of_a_recovery_action_ends_the_xids_too() -> None:
    found = tally(XidLine(HERE, 95), XidLine(HERE, 154), XidLine(HERE, 154, recovered=True))

    assert all(seen.was_reset for seen in found.xids(A, HERE).values())


def test_gpus_off_the_bus_are_reported_by_their_places() -> None:
    assert tally(FallenLine(THERE), XidLine(HERE, 79), XidLine(HERE, 79)).fallen() == [HERE, THERE]


def test_errors_of_switches_are_counted_and_stay_fatal_until_a_reset() -> None:
    found = tally(
        SxidLine(0, HERE, 20034, fatal=True, link=30),
        SxidLine(0, HERE, 20034, fatal=None, link=31),
        SxidLine(1, THERE, 20034, fatal=False, link=None),
    )
    first, second = found.switches(1_000.0)
    assert (first.index, first.sxids) == (0, {20034: SxidCount(2, 1_010.0, fatal=True, link=31)})
    assert (second.index, second.sxids) == (1, {20034: SxidCount(1, 1_020.0, fatal=False, link=None)})

    found.take(30.0, ResetLine(HERE))

    first, second = found.switches(0.0)
    assert (first.sxids[20034].was_reset, second.sxids[20034].was_reset) == (True, False)


def test_every_table_is_bounded() -> None:
    found = Tally()
    for n in range(1_000):
        place = f"{n:04x}:00:00"
        found.take(1.0, UuidLine(place, f"GPU-{n}"))
        found.take(1.0, XidLine(place, 31))
        found.take(1.0, XidLine("0000:00:00", n))
        found.take(1.0, SxidLine(n, place, 1, fatal=True, link=1))
        found.take(1.0, SxidLine(0, "0000:00:00", n, fatal=True, link=1))
        found.take(1.0, ResetLine(place, failed=True))

    assert len(found.xids("GPU-0", None)) == MAX_CODES
    assert sum(bool(found.xids(f"GPU-{n}", f"{n:04x}:00:00")) for n in range(1_000)) == MAX_GPUS
    assert len(found.switches(0.0)) == MAX_SWITCHES
    assert len(found.switches(0.0)[0].sxids) == MAX_CODES
