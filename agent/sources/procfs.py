"""What moves in a process, from two small files of /proc.

psutil tells the same, but five times slower (it opens `stat` twice, to notice a reused pid), and this is read
for every process on a GPU every second.
"""

from __future__ import annotations

import os
from typing import NamedTuple

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Stat(NamedTuple):
    """The kernel's name of a process, CPU ticks it used, and ticks from boot until it started."""

    comm: bytes
    cpu_ticks: int
    start_ticks: int


def parse_stat(stat: bytes) -> Stat:
    """Fields 2, 14 + 15 and 22 of proc_pid_stat(5); the name may hold spaces and brackets itself."""
    name_end = stat.rindex(b")")
    fields = stat[name_end + 2 :].split()
    return Stat(stat[stat.index(b"(") + 1 : name_end], int(fields[11]) + int(fields[12]), int(fields[19]))


def parse_resident_bytes(statm: bytes) -> int:
    """Field 2 of proc_pid_statm(5); 0 for zombies and kernel threads, which have no memory."""
    return int(statm.split()[1]) * PAGE_BYTES


def read_stat(proc_root: str, pid: int) -> Stat:
    """Who has this pid, and what it used."""
    return parse_stat(_read(f"{proc_root}/{pid}/stat"))


def read_resident_bytes(proc_root: str, pid: int) -> int:
    """Memory of a process that is in RAM."""
    return parse_resident_bytes(_read(f"{proc_root}/{pid}/statm"))


def by_resident_bytes(proc_root: str) -> list[tuple[int, int]]:
    """Resident bytes and pid of every process that has memory, largest first: one pass over /proc/*/statm."""
    with os.scandir(proc_root) as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    found = []
    for pid in pids:
        try:
            resident = read_resident_bytes(proc_root, pid)
        except OSError:  # it has ended, or is not ours to see
            continue
        if resident:
            found.append((resident, pid))
    return sorted(found, reverse=True)


def _read(path: str) -> bytes:
    # half the time that open() takes
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 4096)
    finally:
        os.close(file)
