"""The kernel log is read in its own thread; a log that cannot be read is an error, not an empty log."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent.readings import SourceError
from agent.readings.kernel_lines import Batch, FallenLine, Logged, XidLine
from agent.sampling import kernel_log_watch
from agent.sampling.kernel_log_watch import KernelLogWatch
from agent.sources.kernel_log import KernelLogSource
from tests.support.agents import wait_until
from tests.support.kmsg import KernelLogPipe, xid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.sampling.kernel_log_watch import KernelLog

PAUSE = 0.05  # seconds between two readings while there is more: of a flood, 20,000 lines a second are read

PLACE = "0000:3b:00"


@contextmanager
def watching(source: KernelLog) -> Iterator[KernelLogWatch]:
    watch = KernelLogWatch(source)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
        watch.join(timeout=10)
        assert watch.ended


def times(watch: KernelLogWatch, code: int) -> int:
    seen = watch.tally().xids(None, PLACE).get(code)
    return seen.times if seen else 0


def test_a_line_is_known_as_soon_as_it_is_written(tmp_path: Path) -> None:
    pipe = KernelLogPipe(tmp_path)
    pipe.write(xid(PLACE, 31))
    with watching(KernelLogSource(pipe.path, device=None)) as watch:
        wait_until(lambda: watch.is_read, "the earlier line is known")
        assert times(watch, 31) == 1
        pipe.write(xid(PLACE, 31), xid(PLACE, 79))

        wait_until(lambda: times(watch, 79) == 1, "the new lines are known")
        assert times(watch, 31) == 2
        reading = watch.reading(1_000.0, {"0000:af:00"})
        assert (reading.error, reading.lost_lines, reading.fallen) == (None, 0, (PLACE,))
        assert reading.reaches_back_to is not None
        for listed, why in (
            ({PLACE}, "the verdict of the GPU reports it"),
            (None, "it may be one of the listed GPUs"),
        ):
            assert watch.reading(1_000.0, listed).fallen == (), why
    pipe.close()


class Source:
    """A log that fails with these errors first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.begun = 0
        self.waits: set[float] = set()

    def begin(self) -> None:
        self.begun += 1

    def wait(self, seconds: float) -> None:
        self.waits.add(seconds)
        time.sleep(min(seconds, 0.01))

    def read(self) -> Batch:
        if self.errors:
            raise self.errors.pop(0)
        return Batch([Logged(5.0, FallenLine(PLACE))], 1.0, 3, is_all=True)

    def close(self) -> None: ...


def test_before_the_first_reading_the_log_has_an_error() -> None:
    watch = KernelLogWatch(Source())

    assert not watch.is_read
    reading = watch.reading(0.0, ())
    assert reading.error == "The kernel log has not been read to its end yet"
    assert (reading.lost_lines, reading.reaches_back_to) == (0, None)
    assert watch.ended


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            SourceError("The kernel log cannot be read: no", todo="do this"),
            "The kernel log cannot be read: no",
        ),
        (ValueError("internal"), "Reading the kernel log failed: ValueError"),
    ],
    ids=["refused", "internal error"],
)
def test_a_log_that_cannot_be_read_is_logged_once_and_tried_again(
    error: Exception, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, kernel_log_watch.__name__)
    source = Source(error, error, error)
    watch = KernelLogWatch(source, retry=0.01)
    watch.start()

    wait_until(lambda: watch.is_read, "the log is read")
    watch.stop()
    watch.join(timeout=10)

    assert watch.ended
    assert source.begun == 4
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text.partition(";")[0] for text in said] == [sentence]
    assert caplog.records[-1].getMessage() == "The kernel log can be read again"


def test_a_log_that_breaks_off_has_an_error_and_keeps_its_known_lines() -> None:
    source = Source()
    with watching(source) as watch:
        wait_until(lambda: watch.is_read, "the log is read")
        source.errors.append(SourceError("gone", todo="bring it back"))
        wait_until(lambda: not watch.is_read, "the log has broken off")
        reading = watch.reading(100.0, ())

    assert (reading.is_read, reading.error, reading.todo) == (False, "gone", "bring it back")
    assert (reading.fallen, reading.lost_lines, reading.reaches_back_to) == ((PLACE,), 3, 101.0)
    assert source.waits == {0.4}, "shorter than the half second that the agent waits when it stops"


class Flood(Source):
    """A log with endless lines."""

    def __init__(self) -> None:
        super().__init__()
        self.read_at: list[float] = []

    def read(self) -> Batch:
        self.read_at.append(time.monotonic())
        return Batch([Logged(5.0, XidLine(PLACE, 31))], 1.0, 0, is_all=False)


def test_a_flood_of_lines_leaves_the_processor_to_others() -> None:
    flood = Flood()
    with watching(flood) as watch:
        wait_until(lambda: times(watch, 31) >= 5, "the lines are read")

    pauses = [later - earlier for earlier, later in pairwise(flood.read_at)]
    assert min(pauses) > PAUSE / 2
