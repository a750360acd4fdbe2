"""Processes on GPUs and the largest processes of the host, in one reading."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from agent.sources.process_source import ProcessSource
from agent.sources.procfs import PAGE_BYTES
from tests.sources.fake_proc import FakeProc
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CUT = "train_a_network"  # the kernel keeps 15 characters
WHOLE = "train_a_network_of_neurons"


@contextmanager
def hung(path: Path) -> Iterator[None]:
    """Replace the file with a pipe without a writer, so that opening it hangs."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    try:
        yield
    finally:
        os.close(os.open(path, os.O_RDWR))  # readers that wait continue


def name_of_the_largest(root: Path, *, hung_on_gpus: int) -> str | None:
    """The name of process 42, read after this many hung processes."""
    root.mkdir(exist_ok=True)
    proc = FakeProc(root)
    proc.write(comm=CUT)
    proc.say(f"/usr/bin/{WHOLE}\0".encode())
    pids = range(50, 50 + hung_on_gpus)
    for pid in (1, *pids):
        shutil.copytree(root / "42", root / str(pid))
    (root / "42/statm").write_text("200 150 0 0 0 0 0\n")
    with ExitStack() as stack:
        for pid in pids:
            stack.enter_context(hung(root / str(pid) / "cmdline"))
        reading = ProcessSource(proc_root=str(root), clock=Clock()).read(frozenset(pids))
    assert reading.top_processes is not None
    return reading.top_processes[0].name


def test_hung_processes_take_at_most_a_second_of_a_reading(tmp_path: Path) -> None:
    """Hung processes on the GPUs take all of it, and the largest process has no command line."""
    assert name_of_the_largest(tmp_path, hung_on_gpus=2) == CUT


def test_one_hung_process_leaves_time_for_the_largest(tmp_path: Path) -> None:
    names = (name_of_the_largest(tmp_path / str(number), hung_on_gpus=1) for number in range(3))
    assert WHOLE in names, "that the machine stands still meanwhile happens once"


def test_processes_are_read_at_the_pace_of_the_driver_s_lists(tmp_path: Path) -> None:
    proc, clock = FakeProc(tmp_path), Clock(0.0)
    proc.write()
    source = ProcessSource(proc_root=str(tmp_path), pids_are_ours=True, clock=clock)
    pages = []
    for number, after in enumerate((0, 1.89, 0.02, 1.0)):
        clock.now += after
        (tmp_path / "42/statm").write_text(f"200 {number + 1} 0 0 0 0 0\n")
        described = source.read(frozenset({42})).gpu_processes[42]
        pages.append((described.memory_rss_bytes or 0) // PAGE_BYTES)

    assert pages == [1, 1, 3, 3]
    assert source.read(frozenset()).gpu_processes == {}, "at once where the list has changed"


def test_a_new_viewer_sees_the_present_command_line(tmp_path: Path) -> None:
    proc, clock = FakeProc(tmp_path), Clock()
    proc.write()
    proc.say(b"python3\0train.py\0")
    source = ProcessSource(proc_root=str(tmp_path), clock=clock)
    source.read(frozenset({42}))
    proc.say(b"python3\0serve.py\0")
    clock.now += 3600
    source.read(frozenset({42}), watched=False)
    clock.now += 1

    assert source.read(frozenset({42})).gpu_processes[42].command == "python3 serve.py"


def test_a_reused_pid_does_not_get_the_description_of_the_process_before(tmp_path: Path) -> None:
    proc, clock = FakeProc(tmp_path), Clock()
    proc.write(start_ticks=500)
    proc.say(b"python3\0train.py\0")
    source = ProcessSource(proc_root=str(tmp_path), pids_are_ours=True, clock=clock)
    source.read(frozenset({42}))
    proc.write(start_ticks=501)
    proc.say(b"python3\0serve.py\0")

    described = source.read(frozenset({42})).gpu_processes[42]

    assert (described.command, described.start_ticks) == ("python3 serve.py", 501)


def test_an_ended_process_is_no_longer_described(tmp_path: Path) -> None:
    proc, clock = FakeProc(tmp_path), Clock()
    proc.write()
    proc.say(b"python3\0train.py\0")
    source = ProcessSource(proc_root=str(tmp_path), pids_are_ours=True, clock=clock)
    source.read(frozenset({42}))
    shutil.rmtree(tmp_path / "42")

    assert source.read(frozenset({42})).gpu_processes[42].start_ticks is None


def test_the_five_largest_processes_of_the_host_are_reported(tmp_path: Path) -> None:
    proc = FakeProc(tmp_path)
    proc.write(comm=CUT)
    for pid in (1, *range(50, 57)):
        shutil.copytree(tmp_path / "42", tmp_path / str(pid))
        (tmp_path / str(pid) / "statm").write_text(f"200 {pid + 100} 0 0 0 0 0\n")

    reading = ProcessSource(proc_root=str(tmp_path), clock=Clock()).read(frozenset())

    assert [process.pid for process in reading.top_processes or ()] == [56, 55, 54, 53, 52]
