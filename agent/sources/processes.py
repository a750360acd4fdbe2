"""Processes: their description, and their use of CPU and memory.

Usage is read at every call; descriptions when they may have changed: see descriptions.py.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.readings import HostProcess, seconds_since_boot
from agent.sources.attempt import UNREADABLE
from agent.sources.descriptions import GONE, Descriptions, cgroup_window, description_window
from agent.sources.memory import percent_of
from agent.sources.pid_namespace import has_gpu_open, is_initial
from agent.sources.procfs import (
    PROC,
    TICKS_PER_SECOND,
    Stat,
    by_resident_bytes,
    exists,
    read_resident_bytes,
    read_stat,
)
from agent.sources.rates import gap, rate
from agent.sources.user_names import UserNames

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.sources.descriptions import Description

# The command of a process that the driver lists, and that is not, or may not be, visible here.
ELSEWHERE = "[ended, or in another PID namespace]"


class Stranger(Exception):
    """The process with this pid here is not the one of the driver."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The last reading of a process."""

    stat: Stat
    read_at: float  # seconds of the monotonic clock
    known_since: float  # the same
    description: Description
    described_in: int | None  # the description window; None: it is to be described again
    checked_in: int  # the window in which its control group was last read


def cpu_percent(before: _Known | None, stat: Stat, at: float) -> float | None:
    """Of one core, since the previous reading."""
    if before is None:
        return None
    ticks_per_second = rate(before.stat.cpu_ticks, stat.cpu_ticks, gap(before.read_at, at))
    return None if ticks_per_second is None else 100.0 * ticks_per_second / TICKS_PER_SECOND


def hides_processes(proc_root: str = PROC, exists: Callable[[int], bool] = exists) -> bool:
    """Whether /proc (`hidepid`) does not show us the first process, which every PID namespace has."""
    try:
        read_stat(proc_root, 1)
    except UNREADABLE:
        return exists(1)
    return False


class ProcessReader:
    """Reads processes; keeps only those of the previous call.

    `pids_are_ours`: the driver's pids are known to be those of `proc_root`; else this is checked. `pod_logs`
    has the kubelet's folders; "": pods have no names.
    """

    def __init__(
        self,
        *,
        hide_command_args: bool = False,
        pids_are_ours: bool = False,
        clock: Callable[[], float] = time.monotonic,
        since_boot: Callable[[], float] = seconds_since_boot,
        proc_root: str = PROC,
        pod_logs: str = "",
        user_names: UserNames | None = None,
        exists: Callable[[int], bool] = exists,
    ) -> None:
        self._pids_are_ours = pids_are_ours or is_initial(proc_root)
        self._clock = clock
        self._since_boot = since_boot
        self._proc_root = proc_root
        self._user_names = user_names or UserNames(clock=clock)
        self._exists = exists
        self._descriptions = Descriptions(
            proc_root, hide_command_args=hide_command_args, pod_logs=pod_logs, clock=clock
        )
        self._known: dict[int, _Known] = {}

    def read(
        self, pids: frozenset[int], memory_total_bytes: int | None, *, watched: bool = True
    ) -> dict[int, HostProcess]:
        """The processes by pid; one that is not visible here has only that as its command (ELSEWHERE).

        Begins a round: what hangs has a deadline, and all of a round together, `largest` after it too.
        Unless somebody `watched`, a process is described again only where it is known to be another program.
        """
        self._descriptions.begin_round()
        self._user_names.refresh()
        before, self._known = self._known, {}
        processes = {}
        for pid in pids:
            try:
                processes[pid] = self._read_one(pid, before.get(pid), memory_total_bytes, watched=watched)
            except Stranger:
                processes[pid] = HostProcess(pid, command=ELSEWHERE)
            except GONE:  # or hidden, as with /proc mounted hidepid=2
                processes[pid] = HostProcess(pid, command=None if self._exists(pid) else ELSEWHERE)
            except UNREADABLE:  # as with /proc mounted hidepid=1
                processes[pid] = HostProcess(pid)
        return processes

    def are_unchanged(self) -> bool:
        """Whether each pid of the previous call still belongs to the same process."""
        return all(self._is_unchanged(pid, known.stat) for pid, known in self._known.items())

    def largest(self, count: int, memory_total_bytes: int | None) -> tuple[HostProcess, ...] | None:
        """The largest processes: user, name and resident memory only.

        None: some are hidden, or there are too many to look at.
        """
        if hides_processes(self._proc_root, self._exists):
            return None
        if not (ranked := by_resident_bytes(self._proc_root, count)):
            return None
        found: list[HostProcess] = []
        for resident, pid in ranked:
            if len(found) == count:
                break
            try:
                uid, name = self._descriptions.uid(pid), self._descriptions.name(pid)
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

    def with_username(self, process: HostProcess) -> HostProcess:
        """The previous reading, with the present name of its user."""
        return replace(process, username=self._user_names.get(process.uid))

    def _read_one(
        self, pid: int, before: _Known | None, memory_total_bytes: int | None, *, watched: bool
    ) -> HostProcess:
        stat = read_stat(self._proc_root, pid)
        at, since_boot = self._clock(), self._since_boot()
        resident: int | None = read_resident_bytes(self._proc_root, pid)
        if resident == 0 and stat.thread_count > 1:
            resident = None  # the main thread has ended, and only the others have memory
        if before is not None and before.stat.start_ticks != stat.start_ticks:
            before = None  # another process has the number now
        is_new = before is None or before.stat.comm != stat.comm  # the latter: it has started another program
        known_since = at if before is None or is_new else before.known_since
        group_window = cgroup_window(pid, at)
        window = description_window(pid, known_since, at)
        if (
            before is None
            or is_new
            or before.described_in is None
            or (watched and before.described_in != window)
            or (
                before.checked_in != group_window
                and self._descriptions.is_moved(pid, stat, before.description)
            )
        ):
            if not self._pids_are_ours:
                self._check_identity(pid)
            description = self._descriptions.read(pid, stat)
            described_in = window if description.is_complete else None
        else:
            description, described_in = before.description, before.described_in
        self._known[pid] = _Known(stat, at, known_since, description, described_in, group_window)
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

    def _is_unchanged(self, pid: int, known: Stat) -> bool:
        try:
            stat = read_stat(self._proc_root, pid)
        except UNREADABLE:
            return False
        return (stat.start_ticks, stat.comm) == (known.start_ticks, known.comm)

    def _check_identity(self, pid: int) -> None:
        """Check that the driver means the process with this pid here."""
        match has_gpu_open(self._proc_root, pid):
            case None:
                raise PermissionError(f"Whether the driver means the local process {pid} cannot be told")
            case False:
                raise Stranger
