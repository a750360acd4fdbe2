"""The kernel log is read from its oldest record on; only complete records of the kernel count."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agent.readings import SourceError
from agent.readings.kernel_lines import XidLine
from agent.sources import kernel_log
from agent.sources.kernel_log import KernelLogSource
from tests.support.kmsg import record, xid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.readings.kernel_lines import Batch

BUS = "0000:3b:00"
SUSPENDED = 1_000.0  # seconds that the machine has been suspended
NOW = 50_000.0  # of the monotonic clock, which does not count them


class Log:
    """A file that grows, and its reader."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = NOW
        self.source = KernelLogSource(
            str(path), device=None, monotonic=lambda: self.now, since_boot=lambda: self.now + SUSPENDED
        )

    def add(self, *records: str | bytes) -> None:
        with self.path.open("ab") as file:
            for one in records:
                file.write(one.encode() if isinstance(one, str) else one)

    def read(self) -> Batch:
        return self.source.read()

    def codes(self) -> list[int]:
        return [logged.line.code for logged in self.read().lines if isinstance(logged.line, XidLine)]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    path = tmp_path / "kmsg"
    path.touch()
    log = Log(path)
    log.source.begin()
    yield log
    log.source.close()


def test_all_earlier_records_are_read_with_their_times(log: Log) -> None:
    log.add(record("Linux version 6.18", 0, 0.0), record(xid(BUS, 31, "pid=7, name=a, x"), 1, 12.5))

    batch = log.read()

    assert batch.lines == [(12.5 + SUSPENDED, XidLine(BUS, 31, 7, "a"))]
    assert (batch.oldest_at, batch.lost, batch.is_all) == (SUSPENDED, 0, True)


def test_a_reading_has_at_most_a_thousand_records_of_16_kib() -> None:
    assert (kernel_log.MAX_RECORDS, kernel_log.MAX_RECORD_BYTES) == (1000, 16_384)


def test_a_file_that_has_ended_is_read_again_after_a_pause(log: Log) -> None:
    log.read()
    began = time.monotonic()
    log.source.wait(0.02)

    assert time.monotonic() - began >= 0.02


def test_later_records_are_timed_between_two_readings_whatever_the_kernel_s_clock_says(
    log: Log,
) -> None:
    """The kernel's clock is not set by NTP, and may differ by seconds after months."""
    log.read()
    log.add(record(xid(BUS, 31), 0, NOW - 60), record(xid(BUS, 32), 1, NOW + 60))
    log.now += 5

    assert [at for at, _ in log.read().lines] == [NOW + SUSPENDED, NOW + SUSPENDED + 5]


def test_only_records_of_the_kernel_are_accepted(log: Log) -> None:
    """Records that programs write to /dev/kmsg have a facility of 1 or more."""
    log.add(
        record(xid(BUS, 79), 0, 1, priority=8),
        record(xid(BUS, 79), 1, 1, priority=8 * 3 + 4),
        record(xid(BUS, 31), 2, 1),
        record(xid(BUS, 32), 3, 1, priority=7),
    )

    assert log.codes() == [31, 32]


@pytest.mark.parametrize(
    "invalid",
    [
        b"NVRM: Xid (PCI:0000:3b:00): 79, x\n",
        b" NVRM: Xid (PCI:0000:3b:00): 79, x\n",
        b"4,1,5;NVRM: Xid (PCI:0000:3b:00): 79, x\n",
        b"x,1,5,-;NVRM: Xid (PCI:0000:3b:00): 79, x\n",
        b"4,1,99999999999999999999999,-;NVRM: Xid (PCI:0000:3b:00): 79, x\n",
        b"4,0,1,-;say\\x0aNVRM: Xid (PCI:0000:3b:00): 79, x\n",
        b"4,0,1,-;\xff\xfe NVRM: Xid (PCI:0000:3b:00): 79, x\n",
        b"\0" * 40_000 + b"\n",
        b"\n\n;\n,,,;\n",
    ],
    ids=[
        "no head",
        "dictionary",
        "short head",
        "no number",
        "no time",
        "second line",
        "no UTF-8",
        "zeros",
        "empty",
    ],
)
def test_text_that_is_no_record_is_skipped(log: Log, invalid: bytes) -> None:
    log.add(invalid, record(xid(BUS, 31), 9, 1))

    assert log.codes() == [31]


def test_escaped_bytes_are_decoded(log: Log) -> None:
    log.add("4,0,1,-;NVRM: Xid (PCI:0000:3b:00): 13, pid=7, name=na\\xc3\\xafve\\x5c\\xff, x\n")

    assert log.read().lines[0].line == XidLine(BUS, 13, 7, "naïve\\�")


def test_a_record_may_have_more_header_fields_and_a_dictionary(log: Log) -> None:
    log.add(
        "4,0,1,c,caller=T123;NVRM: Xid (PCI:0000:3b:00): 13, x\n SUBSYSTEM=pci\n DEVICE=+pci:0000:3b:00.0\n"
    )
    log.add(record(xid(BUS, 31), 1, 1))

    assert log.codes() == [13, 31]


def test_a_half_written_record_waits_for_its_other_half(log: Log) -> None:
    whole = record(xid(BUS, 31), 0, 1)
    log.add(whole[:40])
    assert log.codes() == []
    log.add(whole[40:])

    assert log.codes() == [31]


def test_overwritten_records_are_counted_by_their_sequence_numbers(log: Log) -> None:
    log.add(record("a", 1_000, 1))
    assert log.read().lost == 0, "records before the first are not lost: the agent did not run yet"
    log.add(record("b", 1_011, 2), record("c", 1_012, 2))

    assert log.read().lost == 10


def test_a_flood_is_read_in_parts_and_nothing_is_lost(log: Log) -> None:
    log.add(*(record(xid(BUS, 31), number, 1) for number in range(5_000)))

    first = log.read()
    assert not first.is_all, "other work can run between two readings"
    seen = len(first.lines)
    while not (batch := log.read()).is_all:
        seen += len(batch.lines)

    assert seen + len(batch.lines) == 5_000


def test_a_log_that_is_opened_again_continues_at_the_last_record(log: Log) -> None:
    log.add(record(xid(BUS, 31), 0, 1))
    assert log.codes() == [31]
    log.source.close()
    log.add(record(xid(BUS, 79), 1, 2))

    log.source.begin()

    assert log.codes() == [79]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/dev/null", "/dev/null is not the kernel log here"),
        ("/dev/nothing", "there is no /dev/nothing"),
        ("/dev", "/dev is not the kernel log here"),
        (__file__, f"{__file__} is not the kernel log here"),
    ],
    ids=["null", "missing", "folder", "file"],
)
def test_another_file_in_a_container_is_not_taken_for_the_kernel_log(path: str, why: str) -> None:
    source = KernelLogSource(path)

    with pytest.raises(SourceError) as caught:
        source.begin()

    assert str(caught.value) == f"The kernel log cannot be read: {why}"
    assert "docs/kernel-log.md" in (caught.value.todo or "")


def test_a_log_that_breaks_off_is_a_source_error(tmp_path: Path) -> None:
    source = KernelLogSource(str(tmp_path), device=None)
    source.begin()

    with pytest.raises(SourceError, match=r"The kernel log cannot be read: .*: Is a directory"):
        source.read()
    source.close()
