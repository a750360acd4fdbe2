"""`python -m tests.state.killing FOLDER TIMES`: a writer that is killed again and again, at random moments.

Each child writes batch after batch and reports each written batch. After each kill the file must have
every reported batch, at most one more, and none twice. It is a program of its own, because it
forks: so the children start quickly.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time
from typing import TYPE_CHECKING

from agent.state import gpus, history, xids
from agent.state.file import open_file
from agent.state.folder import StateFolder
from agent.state.subject import Rows
from agent.state.writer import Writer

if TYPE_CHECKING:
    from agent.state.subject import Batch, Row

NAME = "agent.sqlite3"
LONGEST_LIFE = 0.06  # seconds
A_SECOND = 64  # batches for each second of history: a fast machine writes more than 3600
EPOCH = 1_757_926_800


def batch(number: int) -> Batch:
    """One time of the history, and a count of XIDs equal to the number of the batch."""
    at, nothing = EPOCH + number / A_SECOND, (None,) * len(history.GPU_COLUMNS)
    moment: tuple[Row, ...] = ((at, None, 1.0, 2.0), (at, "a", *nothing))
    count: Row = ("boot", "a", 79, number, at, at, "nvml", None, None, None, False)
    return (Rows(gpus.SUBJECT, (("a",),)), Rows(history.SUBJECT, moment), Rows(xids.SUBJECT, (count,)))


def write_for_ever(folder: str, first: int, pipe: int) -> None:
    """Write batches from this number on, and report each written number through a pipe."""
    writer = Writer(
        StateFolder(folder), NAME, days=400, boot="boot", run=first, users=True, now=lambda: EPOCH
    )
    for number in range(first, sys.maxsize):
        writer.write(batch(number))
        assert writer.trouble is None, writer.trouble
        os.write(pipe, struct.pack("q", number))


def kill_one(folder: str, first: int) -> int:
    """Start a child, kill it, and return the last batch that it reported; `first` - 1: none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        write_for_ever(folder, first, writing)
    os.close(writing)
    time.sleep(random.uniform(0.0, LONGEST_LIFE))  # noqa: S311  (a random moment is intended)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    numbers = b""
    while chunk := os.read(reading, 65536):
        numbers += chunk
    os.close(reading)
    return struct.unpack("q", numbers[-8:])[0] if numbers else first - 1


def in_file(folder: str) -> list[int]:
    """The batches in the file, by their times; the count of XIDs must agree."""
    connection = open_file(StateFolder(folder).path / NAME)
    found = [
        int((at - EPOCH) * A_SECOND)
        for (at,) in connection.execute("SELECT at FROM host_history WHERE step = 0")
    ]
    counts = [times for (times,) in connection.execute("SELECT times FROM xids")]
    connection.close()
    assert counts == found[-1:], (counts, found[-3:])
    return found


def main(folder: str, times: int) -> None:
    """Raises AssertionError."""
    first = 1
    for _ in range(times):
        reported = kill_one(folder, first)
        found = in_file(folder)
        assert found == list(range(1, len(found) + 1)), "each batch is there once, and none is missing"
        assert reported <= len(found) <= reported + 1, (reported, len(found))
        first = len(found) + 1
    assert not [path for path in StateFolder(folder).path.iterdir() if "aside" in path.name]
    print(f"{times} kills, {first - 1} batches")  # noqa: T201  (the result)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
