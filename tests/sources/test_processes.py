from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.readings import Belonging, HostProcess, Job, Scheduler
from agent.sources.pid_namespace import INITIAL
from agent.sources.processes import ELSEWHERE, ProcessReader
from agent.sources.procfs import PAGE_BYTES, TICKS_PER_SECOND
from tests.sources.fake_proc import NOBODY, FakeProc, read, reader_of
from tests.support.agents import wait_until
from tests.support.clock import Clock
from tests.support.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = os.getpid()
UNIT = Belonging(systemd_unit="a.service")
CUT = "a-long-program-"  # by the kernel, after 15 bytes
CONTAINER = "pid:[4026532281]"  # a PID namespace other than the initial one


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    fake = FakeProc(tmp_path)
    fake.write()
    fake.say(b"python3\0train.py\0")
    return fake


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", "input()", "--token", "s3cret"], stdin=subprocess.PIPE
    ) as child:
        yield child
        child.kill()


def test_a_process_is_described_with_all_its_values(proc: FakeProc, clock: Clock) -> None:
    proc.write(start_ticks=5 * TICKS_PER_SECOND)
    process = read(reader_of(proc, clock))
    assert process.pid == 42
    assert (process.uid, process.username) == (NOBODY, None)
    assert process.name == "python3"
    assert process.command == "python3 train.py"
    assert process.memory_rss_bytes == 25 * PAGE_BYTES
    assert process.memory_percent == 2.5
    assert process.running_seconds == 60.0
    proc.write(start_ticks=66 * TICKS_PER_SECOND)
    assert read(reader_of(proc, clock)).running_seconds == 0.0, "the process started after the clock was read"
    assert process.cpu_percent is None


@pytest.mark.parametrize(
    ("seconds_later", "cpu_seconds", "start_ticks", "expected"),
    [
        pytest.param(2.0, 11.0, 500, 50.0, id="half a core"),
        pytest.param(1.0, 14.0, 500, 400.0, id="four cores"),
        pytest.param(1.0, 10.0, 500, 0.0, id="asleep"),
        pytest.param(1.0, 9.0, 500, None, id="went backwards"),
        pytest.param(1.0, 11.0, 501, None, id="pid reused"),
        pytest.param(3600.0, 2000.0, 500, None, id="after an hour"),
        pytest.param(0.0, 10.0, 500, None, id="no time passed"),
    ],
)
def test_cpu_percent_is_of_one_core_between_two_readings_of_the_same_process(
    proc: FakeProc,
    clock: Clock,
    seconds_later: float,
    cpu_seconds: float,
    start_ticks: int,
    expected: float | None,
) -> None:
    reader = reader_of(proc, clock)
    proc.write(cpu_seconds=10.0)
    assert read(reader).cpu_percent is None
    clock.now += seconds_later
    proc.write(cpu_seconds=cpu_seconds, start_ticks=start_ticks)
    assert read(reader).cpu_percent == expected


def test_cpu_percent_is_unknown_after_a_reading_in_which_a_process_was_on_no_gpu(
    proc: FakeProc, clock: Clock
) -> None:
    reader = reader_of(proc, clock)
    read(reader)
    assert reader.read(frozenset(), None) == {}
    clock.now += 1
    assert read(reader).cpu_percent is None


def test_a_slow_user_directory_leaves_only_the_user_names_unknown(proc: FakeProc, clock: Clock) -> None:
    """Many new processes at once, each of another user, and one of a local user."""
    for pid in range(1000, 1100):
        shutil.copytree(proc.root / "42", proc.root / str(pid))
        (proc.root / str(pid) / "status").write_text(f"Uid:\t{NOBODY + pid}\t0\t0\t0\n")
    (proc.root / "42" / "status").write_text("Uid:\t0\t0\t0\t0\n")
    directory = Directory()
    reader = reader_of(proc, clock, directory)
    directory.stop()
    processes = reader.read(frozenset({42, *range(1000, 1100)}), None)
    directory.go_on()
    assert {process.command for process in processes.values()} == {"python3 train.py"}
    assert processes.pop(42).username == "root"
    assert {process.username for process in processes.values()} == {None}


def test_a_user_name_that_arrives_is_shown_in_the_next_reading(proc: FakeProc, clock: Clock) -> None:
    reader = reader_of(proc, clock, Directory({NOBODY: "ada"}))
    (largest,) = reader.largest(1, None) or ()
    wait_until(lambda: read(reader).username == "ada", "the name arrives, without a new description")
    assert reader.with_username(largest) == replace(largest, username="ada")


def test_unreadable_values_are_unknown_and_the_other_values_stay(proc: FakeProc, clock: Clock) -> None:
    proc.forbid("status")
    proc.forbid("cmdline")
    process = read(reader_of(proc, clock))
    assert process.username is None
    assert process.command is None
    assert process.name == "python3"
    assert process.memory_rss_bytes == 25 * PAGE_BYTES


def test_a_process_that_cannot_be_read_at_all_has_only_its_pid(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "42" / "stat").mkdir(parents=True)  # opens but cannot be read; root could read any file
    reader = ProcessReader(clock=clock, proc_root=str(tmp_path))
    assert read(reader) == HostProcess(42)


@pytest.mark.parametrize("file", ["stat", "statm", "status"])
def test_a_process_that_ends_while_it_is_read_is_reported_as_ended(
    proc: FakeProc, clock: Clock, file: str
) -> None:
    (proc.root / "42" / file).unlink()
    assert read(reader_of(proc, clock)) == HostProcess(42, command=ELSEWHERE)


@pytest.mark.parametrize(
    ("uid_map", "expected"),
    [
        pytest.param("         0          0 4294967295\n", 65534, id="on the host"),
        pytest.param(None, 65534, id="a kernel without user namespaces"),
        pytest.param(
            "         0       1000          1\n         1     100000      65536\n", None, id="rootless"
        ),
    ],
)
def test_in_a_user_namespace_an_unmapped_user_is_unknown_and_not_nobody(
    proc: FakeProc, clock: Clock, uid_map: str | None, expected: int | None
) -> None:
    (proc.root / "42/status").write_text("Uid:\t65534\t0\t0\t0\n")
    (proc.root / "self").mkdir()
    if uid_map is not None:
        (proc.root / "self/uid_map").write_text(uid_map)
    process = read(reader_of(proc, clock))
    assert process.uid == expected
    assert process.command == "python3 train.py"


def test_a_hidden_process_is_unknown_and_not_reported_as_ended(proc: FakeProc, clock: Clock) -> None:
    shutil.rmtree(proc.root / "42")
    reader = reader_of(proc, clock, hidden=frozenset({42}))
    assert reader.read(frozenset({42, 43}), None) == {
        42: HostProcess(42),
        43: HostProcess(43, command=ELSEWHERE),
    }


def test_a_process_of_another_namespace_is_not_looked_for_among_the_hidden(
    proc: FakeProc, clock: Clock
) -> None:
    proc.link("self/ns/pid", CONTAINER)
    proc.link("42/fd/3", "/dev/null")
    assert read(reader_of(proc, clock, hidden=frozenset({42}))) == HostProcess(42, command=ELSEWHERE)


def test_a_process_whose_open_files_are_unreadable_is_unknown(proc: FakeProc, clock: Clock) -> None:
    proc.link("self/ns/pid", CONTAINER)
    (proc.root / "42/fd").touch()  # exists, but is no folder; root could read any folder
    assert read(reader_of(proc, clock)) == HostProcess(42)


def test_there_are_no_largest_processes_where_some_are_hidden(proc: FakeProc, clock: Clock) -> None:
    assert len(reader_of(proc, clock).largest(1, None) or ()) == 1
    assert reader_of(proc, clock, hidden=frozenset({1})).largest(1, None) is None


def test_a_child_of_this_test_is_described_with_its_arguments(child: subprocess.Popen[bytes]) -> None:
    process = read(ProcessReader(pids_are_ours=True), child.pid)
    assert process.command == f"{sys.executable} -c input() --token s3cret"
    assert process.username == pwd.getpwuid(os.getuid()).pw_name
    assert process.name is not None
    assert process.memory_rss_bytes
    assert process.running_seconds is not None
    assert 0 <= process.running_seconds < 60


def test_hidden_arguments_leave_the_program_name(child: subprocess.Popen[bytes]) -> None:
    assert (
        read(ProcessReader(hide_command_args=True, pids_are_ours=True), child.pid).command == sys.executable
    )


def test_hidden_arguments_do_not_show_in_the_name(proc: FakeProc) -> None:
    proc.write(comm="train.py --epoc")
    proc.say(b"train.py --epochs 3 --token s3cret\0x\0")
    assert read(ProcessReader(hide_command_args=True, proc_root=str(proc.root))).name == "train.py --epoc"


@pytest.mark.parametrize(
    ("comm", "cmdline", "expected"),
    [
        pytest.param(CUT, b"/opt/a-long-program-name\0-x\0", "a-long-program-name", id="completed"),
        pytest.param(CUT, b"a-long-program-name -x /a/b\0", "a-long-program-name", id="of a title"),
        pytest.param("a-short-name", b"/opt/a-short-name-of-its-own\0", "a-short-name", id="not cut"),
        pytest.param(CUT, b"python3\0a-long-program-name\0", CUT, id="another program"),
        pytest.param(CUT, b"a-long-program-" + b"x" * 10_000, CUT, id="endless"),
        pytest.param(CUT, b"a-long-program-" + b"x" * 300 + b"\0", CUT, id="longer than a file name"),
        pytest.param(CUT, b"", CUT, id="no arguments"),
        pytest.param(
            "größe-und-lä", "größe-und-länge\0".encode(), "größe-und-länge", id="15 bytes, not letters"
        ),
    ],
)
def test_a_name_cut_by_the_kernel_is_completed_from_the_program(
    proc: FakeProc, clock: Clock, comm: str, cmdline: bytes, expected: str
) -> None:
    proc.write(comm=comm)
    proc.say(cmdline)
    assert read(reader_of(proc, clock)).name == expected


@pytest.mark.parametrize(
    ("cmdline", "shown"),
    [
        pytest.param(b"prog\0" + b"x" * 5000, "prog " + "x" * 4090 + "…", id="long argument"),
        pytest.param(b"prog\0-a\0" + b"\0" * 5000, "prog -a…", id="followed by zero bytes"),
        pytest.param(b"p\0" + "é".encode() * 4000, "p " + "é" * 2047 + "…", id="in the middle of a letter"),
        pytest.param(b"\0" * 5000, "…", id="only zero bytes"),
    ],
)
def test_an_endless_command_line_is_cut(proc: FakeProc, clock: Clock, cmdline: bytes, shown: str) -> None:
    proc.say(cmdline)
    assert read(reader_of(proc, clock)).command == shown


@pytest.mark.parametrize(
    ("file", "hidden"),
    [
        pytest.param("cmdline", {"command": None, "belonging": UNIT}, id="command line and environment"),
        pytest.param("cgroup", {"belonging": Belonging(job=Job(Scheduler.SLURM, "7"))}, id="cgroup"),
    ],
)
def test_a_hung_file_is_unknown_until_it_can_be_read_again(
    proc: FakeProc, clock: Clock, file: str, hidden: dict[str, object]
) -> None:
    (proc.root / "42/cgroup").write_text("0::/system.slice/a.service\n")
    (proc.root / "42/environ").write_bytes(b"SLURM_JOB_ID=7\0")
    reader = reader_of(proc, clock)
    known = read(reader)
    with proc.hung(file):
        threads = []
        for _ in range(3):
            clock.now += 10
            assert replace(known, cpu_percent=0.0, **hidden) == read(reader)  # type: ignore[arg-type]
            threads.append(side_threads())
        assert threads[2] <= threads[1], "the file is not read again: it would hang again"
        clock.now += 1.0
        assert [process.name for process in reader.largest(1, None) or ()] == ["python3"]

    def later() -> HostProcess:
        clock.now += 0.001
        return read(reader)

    wait_until(lambda: later() == replace(known, cpu_percent=0.0), "it is known again soon")


def test_a_hung_process_does_not_delay_the_others(proc: FakeProc, clock: Clock) -> None:
    for pid in range(50, 70):
        shutil.copytree(proc.root / "42", proc.root / str(pid))
    commands = []
    with proc.hung("cmdline"):
        for _ in range(3):
            processes = reader_of(proc, clock).read(frozenset({42, *range(50, 70)}), None)
            assert processes.pop(42).command is None
            commands.append({process.command for process in processes.values()})
    assert {"python3 train.py"} in commands, "that the machine stands still meanwhile happens once"


def test_no_file_of_a_process_is_read_beyond_its_maximum(proc: FakeProc, clock: Clock) -> None:
    """Neither a file with text of the process nor one with text of the kernel."""
    proc.write(comm=CUT)
    proc.say(b"python3\0")
    for name in ("stat", "statm", "status", "cmdline", "environ", "cgroup", "comm"):
        (proc.root / "42" / name).touch()
        os.truncate(proc.root / "42" / name, 2**30)
    reader = reader_of(proc, clock)
    tracemalloc.start()
    try:
        process = read(reader)
        largest = reader.largest(5, None) or ()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20
    assert process.command == "python3…"
    assert [process.name for process in largest] == [CUT]


def side_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "side thread"}


def test_a_zombie_is_described_with_the_values_that_it_still_has(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, but not yet collected
    process = read(ProcessReader(pids_are_ours=True), child.pid)
    assert process.command == f"[{process.name}]"
    assert process.username == pwd.getpwuid(os.getuid()).pw_name
    assert process.memory_rss_bytes == 0
    assert process.running_seconds is not None


@pytest.mark.parametrize(("threads", "memory"), [(1, 0), (2, None)])
def test_the_memory_of_a_zombie_with_living_threads_is_unknown(
    proc: FakeProc, clock: Clock, threads: int, memory: int | None
) -> None:
    """Its main thread has ended, as after a kill while another thread hangs in the driver."""
    proc.write(threads=threads)
    (proc.root / "42" / "statm").write_text("0 0 0 0 0 0 0\n")

    assert read(reader_of(proc, clock)).memory_rss_bytes == memory


def test_a_collected_child_is_reported_as_ended(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    processes = ProcessReader(pids_are_ours=True).read(frozenset({child.pid, HERE}), None)
    assert processes[child.pid] == HostProcess(child.pid, command=ELSEWHERE)
    assert processes[HERE].command != ELSEWHERE


@pytest.mark.parametrize("pid", [0, -1, 2**40], ids=["zero", "negative", "beyond any pid"])
def test_an_impossible_pid_is_reported_as_ended(pid: int) -> None:
    assert read(ProcessReader(), pid) == HostProcess(pid, command=ELSEWHERE)


@pytest.mark.parametrize(
    ("namespace", "opened", "named"),
    [
        pytest.param(INITIAL, None, True, id="on the host, with any open files"),
        pytest.param(CONTAINER, "/dev/nvidiactl", True, id="in a container, with the GPU open"),
        pytest.param(CONTAINER, "/dev/dxg", True, id="in WSL2, with the GPU open"),
        pytest.param(CONTAINER, "/var/log/syslog", False, id="in a container, without an open GPU"),
        pytest.param(CONTAINER, None, False, id="in a container, without open files"),
    ],
)
def test_a_process_of_another_namespace_with_the_same_pid_is_never_named(
    proc: FakeProc, clock: Clock, namespace: str, opened: str | None, named: bool
) -> None:
    proc.link("self/ns/pid", namespace)
    if opened is not None:
        proc.link("42/fd/3", opened)
    process = read(reader_of(proc, clock))
    if named:
        assert process.name == "python3"
    else:
        assert process == HostProcess(42, command=ELSEWHERE)


def test_a_process_needs_no_open_gpu_where_pids_are_known_to_be_of_this_namespace(proc: FakeProc) -> None:
    proc.link("self/ns/pid", CONTAINER)
    assert read(ProcessReader(pids_are_ours=True, proc_root=str(proc.root))).name == "python3"


def test_a_reused_pid_of_another_program_does_not_keep_the_name(proc: FakeProc, clock: Clock) -> None:
    proc.link("self/ns/pid", CONTAINER)
    proc.link("42/fd/3", "/dev/nvidia0")
    reader = reader_of(proc, clock)
    assert read(reader).name is not None
    proc.write(start_ticks=501)
    (proc.root / "42/fd/3").unlink()
    assert read(reader) == HostProcess(42, command=ELSEWHERE)


def test_the_largest_processes_come_first_with_only_user_name_and_memory() -> None:
    reader = ProcessReader()
    reader.read(frozenset(), None)  # starts a round of reads
    largest = reader.largest(3, 10**12) or ()
    sizes = [process.memory_rss_bytes or 0 for process in largest]
    assert 0 < len(largest) <= 3
    assert sizes == sorted(sizes, reverse=True)
    assert all(process.name and process.username and process.memory_percent for process in largest)
    assert all(process.command is None and process.cpu_percent is None for process in largest)


def test_a_large_process_that_ends_is_replaced_by_the_next_largest(tmp_path: Path) -> None:
    for pid, pages in {"10": 30, "20": 20, "30": 10}.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "statm").write_text(f"100 {pages} 0 0 0 0 0\n")
        if pid != "10":  # it ends once its memory has been read
            (tmp_path / pid / "stat").write_text(f"{pid} (x) R 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n")
            (tmp_path / pid / "status").write_text("Name:\tx\nUid:\t0\t0\t0\t0\n")
    reader = ProcessReader(proc_root=str(tmp_path), exists=lambda _: False)
    assert [process.pid for process in reader.largest(2, None) or ()] == [20, 30]
