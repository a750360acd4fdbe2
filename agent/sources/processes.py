"""Processes: who runs what, and what it uses.

What moves comes from procfs at every call; what stays is asked of psutil at most every ten seconds.
"""

from __future__ import annotations

import pwd
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import psutil

from agent.readings import Belonging, HostProcess
from agent.sources.attempt import UNREADABLE
from agent.sources.belonging import read_belonging
from agent.sources.pid_namespace import has_gpu_open, is_initial
from agent.sources.procfs import TICKS_PER_SECOND, Stat, by_resident_bytes, read_resident_bytes, read_stat
from agent.sources.rates import gap, rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

DESCRIPTION_SECONDS = 10.0  # a process can change its command and its user, but rarely does
USERNAME_SECONDS = 600.0  # a look-up may ask a directory server
MAX_COMMAND = 4096  # characters; a command line may hold megabytes, and every answer repeats it for each GPU
COMM_LENGTH = 15  # all that the kernel keeps of a process's name
# The command of a process that the driver lists and that is not, or may not be, one of those seen here.
ELSEWHERE = "[ended, or in another PID namespace]"

GONE = (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess)
# Names and arguments are any bytes: none may end a line, move a terminal's cursor or fail to encode.
HARMLESS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " ") | dict.fromkeys(
    range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}"
)


class Description(NamedTuple):
    """Who runs what, and where it belongs; None for what may not be read."""

    username: str | None
    name: str | None
    command: str | None
    belonging: Belonging


@dataclass(frozen=True, slots=True)
class _Known:
    """A process as it was last read."""

    stat: Stat
    read_at: float  # seconds of the monotonic clock
    description: Description
    described_in: float  # its description_window


def clean(text: str) -> str:
    """The text without control characters and undecodable bytes."""
    return text.translate(HARMLESS).strip()


def command_text(arguments: Sequence[str] | None, name: str | None, *, hide_arguments: bool) -> str | None:
    """The command line as `ps` prints it, cut if endless; [name] where empty, None where not readable."""
    if arguments is None:
        return None
    if hide_arguments:
        words = [word for word in arguments if word]
        # a process that set its own title has everything in one word
        arguments = words[0].translate(HARMLESS).split(" ")[:1] if len(words) == 1 else words[:1]
    command = clean(" ".join(arguments)) or (f"[{name}]" if name else None)
    return command if command is None or len(command) <= MAX_COMMAND else command[: MAX_COMMAND - 1] + "…"


def description_window(pid: int, at: float) -> float:
    """A number that changes every DESCRIPTION_SECONDS, for each pid at another moment.

    So the processes of a busy host are described a few at a time, not all in the same reading.
    """
    return (at + pid) // DESCRIPTION_SECONDS


def percent_of(part: int | None, whole: int | None) -> float | None:
    """None where either is unknown."""
    return 100.0 * part / whole if part is not None and whole else None


def cpu_percent(before: _Known | None, stat: Stat, at: float) -> float | None:
    """Of one core, since the previous reading."""
    if before is None:
        return None
    ticks_per_second = rate(before.stat.cpu_ticks, stat.cpu_ticks, gap(before.read_at, at))
    return None if ticks_per_second is None else 100.0 * ticks_per_second / TICKS_PER_SECOND


def seconds_since_boot() -> float:
    """The clock that process start times are in: no adjustment of the time of day moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def user_name(uid: int) -> str:
    """From the user database; the number where it knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _permitted(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except (psutil.AccessDenied, OSError):
        return None


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.ZombieProcess:  # its memory is gone, and the arguments with it
        return []


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
        proc_root: str = "/proc",
        open_process: Callable[[int], psutil.Process] = psutil.Process,
        look_up_user: Callable[[int], str] = user_name,
    ) -> None:
        self._hide_command_args = hide_command_args
        self._pids_are_ours = pids_are_ours or is_initial(proc_root)
        self._clock = clock
        self._since_boot = since_boot
        self._proc_root = proc_root
        self._open_process = open_process
        self._look_up_user = look_up_user
        self._known: dict[int, _Known] = {}
        self._usernames: dict[int, tuple[str, float]] = {}

    def read(self, pids: frozenset[int], memory_total_bytes: int | None) -> dict[int, HostProcess]:
        """What is known of each process, by pid; of one that is not seen here, only that (ELSEWHERE)."""
        before, self._known = self._known, {}
        processes = {}
        for pid in pids:
            try:
                processes[pid] = self._read_one(pid, before.get(pid), memory_total_bytes)
            except GONE:
                processes[pid] = HostProcess(pid, command=ELSEWHERE)
            except UNREADABLE:  # as with /proc mounted hidepid=1
                processes[pid] = HostProcess(pid)
        return processes

    def largest(self, count: int, memory_total_bytes: int | None) -> tuple[HostProcess, ...]:
        """The largest processes by resident memory: user, name and memory only."""
        found: list[HostProcess] = []
        for resident, pid in by_resident_bytes(self._proc_root):
            if len(found) == count:
                break
            try:
                process = self._open_process(pid)
                username, name = self._username(process), self._name(process)
            except GONE:
                continue
            percent = percent_of(resident, memory_total_bytes)
            found.append(HostProcess(pid, username, name, memory_rss_bytes=resident, memory_percent=percent))
        return tuple(found)

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
            if not self._pids_are_ours and not has_gpu_open(self._proc_root, pid):
                raise ProcessLookupError(f"Whether the driver means the local process {pid} cannot be told")
            description = self._describe(pid)
        else:
            description = before.description
        self._known[pid] = _Known(stat, at, description, window)
        return HostProcess(
            pid,
            username=description.username,
            name=description.name,
            command=description.command,
            cpu_percent=cpu_percent(before, stat, at),
            memory_rss_bytes=resident,
            memory_percent=percent_of(resident, memory_total_bytes),
            running_seconds=max(0.0, since_boot - stat.start_ticks / TICKS_PER_SECOND),
            start_ticks=stat.start_ticks,
            belonging=description.belonging,
        )

    def _describe(self, pid: int) -> Description:
        # psutil's oneshot() would only cost time: user, name and arguments are in three different files
        process = self._open_process(pid)
        name = self._name(process)
        arguments = _permitted(lambda: _arguments(process))
        command = command_text(arguments, name, hide_arguments=self._hide_command_args)
        belonging = read_belonging(self._proc_root, pid)
        return Description(self._username(process), name, command, belonging)

    def _name(self, process: psutil.Process) -> str | None:
        name = clean(_permitted(process.name) or "")
        if self._hide_command_args and " " in name:
            name = name[:COMM_LENGTH]  # psutil completes a cut name from the title, arguments and all
        return name or None

    def _username(self, process: psutil.Process) -> str | None:
        uids = _permitted(process.uids)
        if uids is None:
            return None
        now = self._clock()
        name, looked_up_at = self._usernames.get(uids.real, ("", 0.0))
        if not name or now - looked_up_at >= USERNAME_SECONDS:
            name = clean(self._look_up_user(uids.real))
            self._usernames = {  # containers bring numbers without end
                uid: entry for uid, entry in self._usernames.items() if now - entry[1] < USERNAME_SECONDS
            }
            self._usernames[uids.real] = name, now
        return name
