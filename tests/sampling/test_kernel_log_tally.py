"""Lines of the kernel log come to XIDs of a GPU wherever it is, and to errors of switches, within bounds."""

from __future__ import annotations

import pytest

from agent.readings import Blamed, SxidCount
from agent.readings.kernel_lines import FallenLine, Line, ResetLine, SxidLine, UuidLine, XidLine
from agent.sampling.kernel_log_tally import LoggedXid, Tally

MAX_GPUS, MAX_SWITCHES, MAX_CODES = 256, 64, 256
HERE, THERE = "0000:3b:00", "0000:af:00"
A, B = "GPU-a", "GPU-b"


def tally(*lines: Line) -> Tally:
    """Of these lines, written at the seconds 0, 1 and so on, 10 s apart."""
    made = Tally()
    for number, line in enumerate(lines):
        made.take(10.0 * number, line)
    return made


def test_xids_are_counted_by_gpu_and_code_with_the_time_and_the_program_of_the_last() -> None:
    made = tally(
        XidLine(HERE, 31, 7, "a"), XidLine(HERE, 31, 8, "b"), XidLine(THERE, 13, 9), XidLine(HERE, 79)
    )

    assert made.xids(A, HERE) == {31: LoggedXid(2, 10.0, Blamed(8, "b")), 79: LoggedXid(1, 30.0)}
    assert made.xids(B, THERE) == {13: LoggedXid(1, 20.0, Blamed(9, None))}


def test_lines_of_the_same_fault_keep_its_program() -> None:
    made = Tally()
    made.take(5.0, XidLine(HERE, 13, 7, "a"))
    made.take(5.5, XidLine(HERE, 13))
    assert made.xids(A, HERE) == {13: LoggedXid(2, 5.5, Blamed(7, "a"))}
    made.take(60.0, XidLine(HERE, 13))

    assert made.xids(A, HERE) == {13: LoggedXid(3, 60.0)}, "whose that is, nobody knows"


@pytest.mark.parametrize(("later", "blamed"), [(1.0, Blamed(7, "a")), (1.5, None)])
def test_lines_of_one_second_are_of_the_same_fault(later: float, blamed: Blamed | None) -> None:
    made = Tally()
    made.take(5.0, XidLine(HERE, 13, 7, "a"))
    made.take(5.0 + later, XidLine(HERE, 13))

    assert made.xids(A, HERE)[13].blamed == blamed


@pytest.mark.parametrize(("later", "was_reset"), [(10.0, False), (10.5, True)])
def test_a_reset_that_failed_has_ended_within_ten_seconds(later: float, was_reset: bool) -> None:
    made = Tally()
    made.take(1.0, XidLine(HERE, 48))
    made.take(5.0, ResetLine(HERE, failed=True))
    made.take(5.0 + later, ResetLine(HERE))

    assert made.xids(A, HERE)[48].was_reset is was_reset


def test_a_gpu_that_moves_takes_its_xids_along() -> None:
    made = tally(
        UuidLine(HERE, A),
        XidLine(HERE, 31),
        UuidLine(HERE, B),
        XidLine(HERE, 79),
        UuidLine(THERE, A),
        XidLine(THERE, 31),
    )

    assert made.xids(A, THERE) == {31: LoggedXid(2, 50.0)}
    assert made.xids(B, HERE) == {79: LoggedXid(1, 30.0)}


def test_a_gpu_that_nobody_can_ask_is_the_one_that_is_there() -> None:
    made = tally(UuidLine(HERE, A), XidLine(HERE, 31), UuidLine(HERE, B), XidLine(HERE, 79))

    assert made.xids(None, HERE).keys() == {79}
    assert made.xids(None, None) == {}


def test_a_reset_ends_what_was_before_it_and_nothing_else() -> None:
    made = tally(XidLine(HERE, 48), XidLine(THERE, 48), FallenLine(HERE), ResetLine(HERE), XidLine(HERE, 63))

    assert made.xids(A, HERE) == {48: LoggedXid(1, 0.0, was_reset=True), 63: LoggedXid(1, 40.0)}
    assert made.xids(B, THERE) == {48: LoggedXid(1, 10.0)}
    assert made.reset_at(A, HERE) == 30.0
    assert made.reset_at(B, THERE) is None
    assert made.fallen() == []


def test_an_xid_after_the_reset_counts_again() -> None:
    assert tally(XidLine(HERE, 48), ResetLine(HERE), XidLine(HERE, 48)).xids(A, HERE) == {
        48: LoggedXid(2, 20.0)
    }


def test_a_reset_that_the_gpu_did_not_survive_ends_nothing() -> None:
    """The kernel says "reset done" in any case."""
    made = tally(XidLine(HERE, 79), ResetLine(HERE, failed=True), ResetLine(HERE))
    assert made.xids(A, HERE) == {79: LoggedXid(1, 0.0)}
    made.take(99.0, ResetLine(HERE))

    assert made.xids(A, HERE) == {79: LoggedXid(1, 0.0, was_reset=True)}, "the next one may succeed"


def test_a_device_that_did_not_come_back_from_a_suspension_may_be_reset_later() -> None:
    """The kernel says of both that the device is not ready, and of a reset alone that it is done."""
    made = tally(XidLine(HERE, 48), ResetLine(HERE, failed=True))
    made.take(900.0, ResetLine(HERE))

    assert made.xids(A, HERE) == {48: LoggedXid(1, 0.0, was_reset=True)}
    assert made.reset_at(A, HERE) == 900.0


def test_a_driver_that_wants_no_recovery_any_more_ends_it_too() -> None:
    made = tally(XidLine(HERE, 95), XidLine(HERE, 154), XidLine(HERE, 154, recovered=True))

    assert all(seen.was_reset for seen in made.xids(A, HERE).values())


def test_whatever_fell_off_the_bus_is_reported_by_its_place() -> None:
    assert tally(FallenLine(THERE), XidLine(HERE, 79), XidLine(HERE, 79)).fallen() == [HERE, THERE]


def test_errors_of_switches_are_counted_and_stay_fatal_until_a_reset() -> None:
    made = tally(
        SxidLine(0, HERE, 20034, fatal=True, link=30),
        SxidLine(0, HERE, 20034, fatal=None, link=31),
        SxidLine(1, THERE, 20034, fatal=False, link=None),
    )
    first, second = made.switches(1_000.0)
    assert (first.index, first.sxids) == (0, {20034: SxidCount(2, 1_010.0, fatal=True, link=31)})
    assert (second.index, second.sxids) == (1, {20034: SxidCount(1, 1_020.0, fatal=False, link=None)})

    made.take(30.0, ResetLine(HERE))

    first, second = made.switches(0.0)
    assert (first.sxids[20034].was_reset, second.sxids[20034].was_reset) == (True, False)


def test_no_table_grows_without_end() -> None:
    made = Tally()
    for n in range(1_000):
        place = f"{n:04x}:00:00"
        made.take(1.0, UuidLine(place, f"GPU-{n}"))
        made.take(1.0, XidLine(place, 31))
        made.take(1.0, XidLine("0000:00:00", n))
        made.take(1.0, SxidLine(n, place, 1, fatal=True, link=1))
        made.take(1.0, SxidLine(0, "0000:00:00", n, fatal=True, link=1))
        made.take(1.0, ResetLine(place, failed=True))

    assert len(made.xids("GPU-0", None)) == MAX_CODES
    assert sum(bool(made.xids(f"GPU-{n}", f"{n:04x}:00:00")) for n in range(1_000)) == MAX_GPUS
    assert len(made.switches(0.0)) == MAX_SWITCHES
    assert len(made.switches(0.0)[0].sxids) == MAX_CODES
