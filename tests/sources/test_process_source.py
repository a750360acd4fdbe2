"""Processes on GPUs and the host's largest, in one reading."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from agent.sources.process_source import ProcessSource
from tests.sources.fake_proc import Clock, FakeProc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.readings import ProcessesReading

CUT = "train_a_network"  # the kernel keeps 15 characters
WHOLE = "train_a_network_of_neurons"


@contextmanager
def hung(path: Path) -> Iterator[None]:
    """A pipe without a writer: to open it hangs."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    try:
        yield
    finally:
        os.close(os.open(path, os.O_RDWR))  # whoever waits goes on


def read_beside_processes_that_hang(root: Path, number: int) -> ProcessesReading:
    """Process 42 is the host's largest; so many on the GPUs hang."""
    proc = FakeProc(root)
    proc.write(comm=CUT)
    proc.say(f"/usr/bin/{WHOLE}\0".encode())
    pids = range(50, 50 + number)
    for pid in (1, *pids):
        shutil.copytree(root / "42", root / str(pid))
    (root / "42/statm").write_text("200 150 0 0 0 0 0\n")
    with ExitStack() as stack:
        for pid in pids:
            stack.enter_context(hung(root / str(pid) / "cmdline"))
        return ProcessSource(proc_root=str(root), clock=Clock()).read(frozenset(pids))


def test_what_hangs_is_waited_for_a_second_in_a_reading_however_much_of_it_there_is(tmp_path: Path) -> None:
    """Those on the GPUs take all of it: nothing is left for the command line of the largest."""
    assert read_beside_processes_that_hang(tmp_path, 2).top_processes[0].name == CUT


def test_one_process_that_hangs_leaves_time_for_the_largest(tmp_path: Path) -> None:
    assert read_beside_processes_that_hang(tmp_path, 1).top_processes[0].name == WHOLE
