"""Processes: who runs what, and what it uses.

What moves is read at every call; what stays, at most every ten seconds. A file that hangs is unknown, and so
is what comes from it, even where it was known before: a process can have become another program since. It is
known again with the first call after the file has come back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from agent.readings import Belonging, HostProcess, seconds_since_boot
from agent.sources.attempt import UNREADABLE, attempt
from agent.sources.belonging import belonging_of
from agent.sources.command_line import COMM_BYTES, command_text, full_name, parse_cmdline
from agent.sources.memory import percent_of
from agent.sources.pid_namespace import has_gpu_open, is_initial
from agent.sources.procfs import (
    PROC,
    TICKS_PER_SECOND,
    Content,
    Stat,
    by_resident_bytes,
    exists,
    read_file,
    read_resident_bytes,
    read_stat,
    read_uid,
    unmapped_uid,
)
from agent.sources.rates import gap, rate
from agent.sources.side_thread import SideThread
from agent.sources.user_names import UserNames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DESCRIPTION_SECONDS = 10.0  # a process can change its command and its user, but rarely does
# The command of a process that the driver lists and that is not, or may not be, one of those seen here.
ELSEWHERE = "[ended, or in another PID namespace]"

GONE = (FileNotFoundError, ProcessLookupError)


class Stranger(Exception):
    """The process that has this number here is not the one that the driver means."""


class Description(NamedTuple):
    """Who runs what, and where it belongs; None for what may not be read, or hangs."""

    uid: int | None
    name: str | None
    command: str | None
    belonging: Belonging
    is_whole: bool  # nothing of it hangs


@dataclass(frozen=True, slots=True)
class _Known:
    """A process as it was last read."""

    stat: Stat
    read_at: float  # seconds of the monotonic clock
    description: Description
    described_in: float | None  # its description_window; None: it is to be described again


def description_window(pid: int, at: float) -> float:
    """A number that changes every DESCRIPTION_SECONDS, for each pid at another moment.

    So the processes of a busy host are described a few at a time, not all in the same reading.
    """
    return (at + pid) // DESCRIPTION_SECONDS


def cpu_percent(before: _Known | None, stat: Stat, at: float) -> float | None:
    """Of one core, since the previous reading."""
    if before is None:
        return None
    ticks_per_second = rate(before.stat.cpu_ticks, stat.cpu_ticks, gap(before.read_at, at))
    return None if ticks_per_second is None else 100.0 * ticks_per_second / TICKS_PER_SECOND


def _arguments(files: Mapping[str, Content | None]) -> list[str] | None:
    cmdline = files.get("cmdline")
    return None if cmdline is None else parse_cmdline(cmdline)


class ProcessReader:
    """Describes processes; remembers the ones of the previous call and no others.

    `pids_are_ours`: the driver's pids are known to be those of `proc_root`; else it is found out.
    """

    def __init__(
        self,
        *,
        hide_command_args: bool = False,
        pids_are_ours: bool = False,
        clock: Callable[[], float] = time.monotonic,
        since_boot: Callable[[], float] = seconds_since_boot,
        proc_root: str = PROC,
        user_names: UserNames | None = None,
        exists: Callable[[int], bool] = exists,
    ) -> None:
        self._hide_command_args = hide_command_args
        self._pids_are_ours = pids_are_ours or is_initial(proc_root)
        self._clock = clock
        self._since_boot = since_boot
        self._proc_root = proc_root
        self._user_names = user_names or UserNames(clock=clock)
        self._exists = exists
        self._unmapped_uid = unmapped_uid(proc_root)
        self._side_thread = SideThread()
        self._known: dict[int, _Known] = {}

    def read(self, pids: frozenset[int], memory_total_bytes: int | None) -> dict[int, HostProcess]:
        """What is known of each process, by pid; of one that is not seen here, only that (ELSEWHERE)."""
        self._side_thread.begin_round()
        self._user_names.refresh()
        before, self._known = self._known, {}
        processes = {}
        for pid in pids:
            try:
                processes[pid] = self._read_one(pid, before.get(pid), memory_total_bytes)
            except Stranger:
                processes[pid] = HostProcess(pid, command=ELSEWHERE)
            except GONE:  # or hidden, as with /proc mounted hidepid=2
                processes[pid] = HostProcess(pid, command=None if self._exists(pid) else ELSEWHERE)
            except UNREADABLE:  # as with /proc mounted hidepid=1
                processes[pid] = HostProcess(pid)
        return processes

    def largest(self, count: int, memory_total_bytes: int | None) -> tuple[HostProcess, ...]:
        """The largest processes: user, name and resident memory only; empty where some are hidden."""
        if self._some_are_hidden():
            return ()
        self._side_thread.begin_round()
        self._user_names.refresh()
        found: list[HostProcess] = []
        for resident, pid in by_resident_bytes(self._proc_root, count):
            if len(found) == count:
                break
            try:
                uid, name = self._uid(pid), self._name(pid)
            except GONE:
                continue
            except UNREADABLE:
                uid = name = None
            found.append(
                HostProcess(
                    pid,
                    uid=uid,
                    username=self._user_names.get(uid),
                    name=name,
                    memory_rss_bytes=resident,
                    memory_percent=percent_of(resident, memory_total_bytes),
                )
            )
        return tuple(found)

    def _some_are_hidden(self) -> bool:
        """Whether /proc does not show us the first process, which every PID namespace has."""
        try:
            read_stat(self._proc_root, 1)
        except UNREADABLE:
            return self._exists(1)
        return False

    def with_username(self, process: HostProcess) -> HostProcess:
        """As read before, with the name that its user has now."""
        return replace(process, username=self._user_names.get(process.uid))

    def _read_one(self, pid: int, before: _Known | None, memory_total_bytes: int | None) -> HostProcess:
        stat = read_stat(self._proc_root, pid)
        at, since_boot = self._clock(), self._since_boot()
        window = description_window(pid, at)
        resident = read_resident_bytes(self._proc_root, pid)
        if before is not None and before.stat.start_ticks != stat.start_ticks:
            before = None  # another process has the number now
        if (
            before is None
            or before.stat.comm != stat.comm  # it has just started another program
            or before.described_in != window
        ):
            if not self._pids_are_ours:
                self._prove(pid)
            description = self._describe(pid, stat)
        else:
            description = before.description
        self._known[pid] = _Known(stat, at, description, window if description.is_whole else None)
        return HostProcess(
            pid,
            uid=description.uid,
            username=self._user_names.get(description.uid),
            name=description.name,
            command=description.command,
            cpu_percent=cpu_percent(before, stat, at),
            memory_rss_bytes=resident,
            memory_percent=percent_of(resident, memory_total_bytes),
            running_seconds=max(0.0, since_boot - stat.start_ticks / TICKS_PER_SECOND),
            start_ticks=stat.start_ticks,
            belonging=description.belonging,
        )

    def _prove(self, pid: int) -> None:
        """That the driver means the process that has the number here."""
        match has_gpu_open(self._proc_root, pid):
            case None:
                raise PermissionError(f"Whether the driver means the local process {pid} cannot be told")
            case False:
                raise Stranger

    def _describe(self, pid: int, stat: Stat) -> Description:
        files = self._read_aside(pid, stat, "cgroup") | self._read_aside(pid, stat, "cmdline", "environ")
        arguments = _arguments(files)
        name = full_name(stat.comm, arguments, hide_arguments=self._hide_command_args)
        command = command_text(arguments, name, hide_arguments=self._hide_command_args)
        belonging = belonging_of(files.get("cgroup"), files.get("environ"))
        return Description(self._uid(pid), name, command, belonging, is_whole=len(files) == 3)

    def _name(self, pid: int) -> str | None:
        stat = read_stat(self._proc_root, pid)
        files = self._read_aside(pid, stat, "cmdline") if len(stat.comm) >= COMM_BYTES else {}
        return full_name(stat.comm, _arguments(files), hide_arguments=self._hide_command_args)

    def _read_aside(self, pid: int, stat: Stat, *names: str) -> dict[str, Content | None]:
        """Those files of a process that do not hang, and all of them wait for one lock; None: refused."""

        def read() -> Iterator[tuple[str, Content | None]]:
            for name in names:
                yield name, attempt(partial(read_file, self._proc_root, pid, name), None)

        return dict(self._side_thread.read((pid, stat.start_ticks, names[0]), read()))

    def _uid(self, pid: int) -> int | None:
        try:
            uid = read_uid(self._proc_root, pid)
        except GONE:
            raise
        except UNREADABLE:
            return None
        return None if uid == self._unmapped_uid else uid
