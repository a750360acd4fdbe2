"""Descriptions of processes: user, program, container, pod and job.

Read when they may have changed. A title changes soon after the start, if at all (ray, vLLM, setproctitle). So
a process is described when it is new, 10 and 60 seconds later, and then once a minute while there is demand.
If a file hangs, its values are unknown, even if they were known before, because the process may have become
another program. They are known again with the first reading after the read has returned.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from agent.sources.attempt import UNREADABLE, attempt
from agent.sources.belonging import belonging_of
from agent.sources.command_line import COMM_BYTES, command_text, full_name, parse_cmdline
from agent.sources.pod_names import PodNames
from agent.sources.podman_names import PodmanNames
from agent.sources.procfs import Content, Stat, read_file, read_stat, read_uid, unmapped_uid
from agent.sources.side_thread import SideThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from agent.readings import Belonging

FIRST_DESCRIPTIONS = (10.0, 60.0)  # seconds since a process was new
DESCRIPTION_SECONDS = 60.0  # seconds between two descriptions after those
CGROUP_SECONDS = 10.0  # seconds between two reads of the control group, which is cheap

GONE = (FileNotFoundError, ProcessLookupError)


class Description(NamedTuple):
    """The description of a process; None for values that may not be read, or hang."""

    uid: int | None
    name: str | None
    command: str | None
    belonging: Belonging
    cgroup: Content | None
    is_complete: bool  # no read hangs


def description_window(pid: int, known_since: float, at: float) -> int:
    """The number of the span of time in which a process is described once; times by the monotonic clock.

    After the first spans, each pid has other limits of them, so that the processes of a busy host are not all
    described in the same reading.
    """
    for number, seconds in enumerate(FIRST_DESCRIPTIONS):
        if at - known_since < seconds:
            return number
    return len(FIRST_DESCRIPTIONS) + int((at + pid) / DESCRIPTION_SECONDS)


def cgroup_window(pid: int, at: float) -> int:
    """The number of the span of time in which the control group of a process is read once."""
    return int((at + pid) / CGROUP_SECONDS)


class Descriptions:
    """Reads descriptions; owned by one thread. A second thread makes the reads that may hang."""

    def __init__(
        self, proc_root: str, *, hide_command_args: bool, pod_logs: str, clock: Callable[[], float]
    ) -> None:
        self._proc_root = proc_root
        self._hide_command_args = hide_command_args
        self._unmapped_uid = unmapped_uid(proc_root)
        self._side_thread = SideThread()
        self._pod_names = PodNames(pod_logs, self._side_thread, clock=clock)
        self._podman_names = PodmanNames(proc_root)

    def begin_round(self) -> None:
        """Start a round: all reads that may hang share a deadline."""
        self._side_thread.begin_round()

    def read(self, pid: int, stat: Stat) -> Description:
        """The description of a process that has this `stat`. Raises OSError for one that has ended."""
        files = self._read_aside(pid, stat, "cgroup") | self._read_aside(pid, stat, "cmdline", "environ")
        arguments = _arguments(files)
        name = full_name(stat.comm, arguments, hide_arguments=self._hide_command_args)
        command = command_text(arguments, name, hide_arguments=self._hide_command_args)
        cgroup = files.get("cgroup")
        belonging = self._pod_names.with_names(belonging_of(cgroup, files.get("environ")))
        belonging = self._podman_names.with_names(belonging, cgroup, stat, self._cmdline)
        return Description(self.uid(pid), name, command, belonging, cgroup, is_complete=len(files) == 3)

    def name(self, pid: int) -> str | None:
        """The name alone."""
        stat = read_stat(self._proc_root, pid)
        files = self._read_aside(pid, stat, "cmdline") if len(stat.comm) >= COMM_BYTES else {}
        return full_name(stat.comm, _arguments(files), hide_arguments=self._hide_command_args)

    def uid(self, pid: int) -> int | None:
        """The number of the user who runs it."""
        try:
            uid = read_uid(self._proc_root, pid)
        except GONE:
            raise
        except UNREADABLE:
            return None
        return None if uid == self._unmapped_uid else uid

    def is_moved(self, pid: int, stat: Stat, described: Description) -> bool:
        """Whether it is in another control group than the one described, or that hangs."""
        files = self._read_aside(pid, stat, "cgroup")
        return not files or files["cgroup"] != described.cgroup

    def _cmdline(self, pid: int, stat: Stat) -> Content | None:
        return self._read_aside(pid, stat, "cmdline").get("cmdline")

    def _read_aside(self, pid: int, stat: Stat, *names: str) -> dict[str, Content | None]:
        """Those files of a process that do not hang, and all of them wait for one lock; None: refused."""

        def read() -> Iterator[tuple[str, Content | None]]:
            for name in names:
                yield name, attempt(partial(read_file, self._proc_root, pid, name), None)

        return dict(self._side_thread.read((pid, stat.start_ticks, names[0]), read()))


def _arguments(files: Mapping[str, Content | None]) -> list[str] | None:
    cmdline = files.get("cmdline")
    return None if cmdline is None else parse_cmdline(cmdline)
