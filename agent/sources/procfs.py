"""The only reader of /proc, and of files in /sys; every read has a maximum size.

A local user controls the size of a process's files: a command line can have hundreds of megabytes, an
environment two, `fd` a million entries. So only a few KiB are read. psutil reads everything, and even small
files five times slower (it opens `stat` twice, to detect a reused pid); these files are read for every
process on a GPU every second.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PROC = "/proc"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

MAX_BYTES = 4096
MAX_BYTES_OF = {
    "cgroup": 8 * 1024,  # one path of cgroup v2 may have 4,095 bytes; v1 has a dozen, nested ones of 350 each
    "environ": 32 * 1024,  # Slurm appends its variables to those of the shell, often some KiB of modules
}
MAX_OPEN_FILES = 4096  # of one process, that are looked at
MAX_COUNTED_FILES = 131_072  # as many as MAX_STREAMS may be, and more
# With more processes, the largest ones are unknown: reading only some would give the wrong ones.
MAX_PROCESSES = 65_536
OVERFLOW_UID = 65534  # the kernel's default for /proc/sys/kernel/overflowuid
SPARE = 5  # spare processes: they replace those that end before they are read
# The numbers are real, effective, saved and of the file system; the tab after the first proves it whole.
_UID = re.compile(rb"^Uid:\t(\d+)\t", re.MULTILINE)


class Content(NamedTuple):
    """The beginning of a file, and whether it was cut."""

    data: bytes
    is_cut: bool = False

    def up_to(self, separator: bytes) -> bytes:
        """The content without the entry in which it was cut: half a number is another number."""
        return self.data.rpartition(separator)[0] if self.is_cut else self.data


class Stat(NamedTuple):
    """The kernel's name of a process, CPU ticks it used, ticks from boot until it started, and so on."""

    comm: bytes
    cpu_ticks: int
    start_ticks: int
    parent_pid: int
    thread_count: int


def parse_stat(stat: bytes) -> Stat:
    """Fields 2, 14 + 15, 22, 4 and 20 of proc_pid_stat(5); the name may hold spaces and brackets itself."""
    name_end = stat.rindex(b")")
    fields = stat[name_end + 2 :].split()
    comm = stat[stat.index(b"(") + 1 : name_end]
    return Stat(comm, int(fields[11]) + int(fields[12]), int(fields[19]), int(fields[1]), int(fields[17]))


def parse_resident_bytes(statm: bytes) -> int:
    """Field 2 of proc_pid_statm(5); 0 for zombies and kernel threads, which have no memory."""
    return int(statm.split()[1]) * PAGE_BYTES


def parse_uid(status: bytes) -> int:
    """The real user in proc_pid_status(5), where a newline in the name is escaped. ValueError: none there."""
    uid = _UID.search(status)
    if uid is None:
        raise ValueError("A /proc/PID/status without Uid")
    return int(uid[1])


def read_stat(proc_root: str, pid: int) -> Stat:
    """The name, CPU time, start and parent of this pid."""
    return parse_stat(_read(f"{proc_root}/{pid}/stat", MAX_BYTES))


def read_resident_bytes(proc_root: str, pid: int) -> int:
    """Memory of a process that is in RAM."""
    return parse_resident_bytes(_read(f"{proc_root}/{pid}/statm", MAX_BYTES))


def read_uid(proc_root: str, pid: int) -> int:
    """The real user of a process."""
    return parse_uid(_read(f"{proc_root}/{pid}/status", MAX_BYTES))


def unmapped_uid(proc_root: str) -> int | None:
    """The uid that stands for users without a uid in this user namespace; None: every user has one.

    user_namespaces(7): as in a container of a user's own (rootless), where it is called nobody.
    """
    try:
        mapped = _read(f"{proc_root}/self/uid_map", MAX_BYTES).split()
    except OSError:  # a kernel without user namespaces
        return None
    return None if mapped == [b"0", b"0", b"4294967295"] else OVERFLOW_UID


def read_file(proc_root: str, pid: int, name: str) -> Content:
    """A file whose content the process can set: `cmdline`, `environ`, `cgroup`. May hang: see SideThread."""
    return read_beginning(f"{proc_root}/{pid}/{name}", MAX_BYTES_OF.get(name, MAX_BYTES))


def read_beginning(path: str, limit: int) -> Content:
    """At most `limit` bytes of any file."""
    data = _read(path, limit + 1)
    return Content(data[:limit], len(data) > limit)


def pids(proc_root: str = PROC) -> Iterator[int]:
    """Every process, one at a time, the lowest number first (as the kernel lists them)."""
    with os.scandir(proc_root) as entries:
        for entry in entries:
            if entry.name.isdecimal():
                yield int(entry.name)


def exists(pid: int) -> bool:
    """Whether a process of our PID namespace has this number, also where /proc hides it (`hidepid`)."""
    if pid <= 0:  # to kill(2) these are groups
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def open_files(proc_root: str, pid: int, limit: int = MAX_OPEN_FILES) -> Iterator[str]:
    """The targets of the first descriptors of a process."""
    with os.scandir(f"{proc_root}/{pid}/fd") as entries:
        for entry in islice(entries, limit):
            with suppress(FileNotFoundError):  # closed meanwhile
                yield str(Path(entry.path).readlink())


def count_open_files(proc_root: str, pid: int, limit: int = MAX_COUNTED_FILES) -> int:
    """How many descriptors a process has, at most `limit`."""
    with os.scandir(f"{proc_root}/{pid}/fd") as entries:
        return sum(1 for _ in islice(entries, limit))


def by_resident_bytes(proc_root: str, count: int, limit: int = MAX_PROCESSES) -> list[tuple[int, int]]:
    """Resident bytes and pid of the `count` largest processes and some to spare, largest first."""
    numbers = list(islice(pids(proc_root), limit + 1))
    if len(numbers) > limit:
        return []
    return nlargest(count + SPARE, _resident(proc_root, numbers))


def _resident(proc_root: str, numbers: list[int]) -> Iterator[tuple[int, int]]:
    for pid in numbers:
        try:
            resident = read_resident_bytes(proc_root, pid)
        except OSError:  # it has ended, or is hidden
            continue
        if resident:
            yield resident, pid


def _read(path: str, limit: int) -> bytes:
    # half the time that open() takes
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, limit)
    finally:
        os.close(file)
