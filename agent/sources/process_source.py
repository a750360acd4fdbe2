"""The processes on GPUs, and the host's largest processes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.readings import HostProcess, ProcessesReading, seconds_since_boot
from agent.sources.gpu.paces import PROCESS_PACE
from agent.sources.memory import HostMemory, read_memory
from agent.sources.paced_value import JITTER, Paced, paced_slowly
from agent.sources.processes import ProcessReader
from agent.sources.procfs import PROC
from agent.sources.user_names import UserNames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOP_PROCESSES = 5


class ProcessSource:
    """Reads /proc; owned by a worker thread of its own, because a process can make it wait."""

    def __init__(
        self,
        *,
        hide_command_args: bool = False,
        pids_are_ours: bool = False,
        clock: Callable[[], float] = time.monotonic,
        since_boot: Callable[[], float] = seconds_since_boot,
        proc_root: str = PROC,
        pod_logs: str = "",
        user_names: Mapping[int, str] | None = None,
    ) -> None:
        """`user_names`: by user number, as they were known before the agent started."""
        self._clock = clock
        self._reader = ProcessReader(
            hide_command_args=hide_command_args,
            pids_are_ours=pids_are_ours,
            clock=clock,
            since_boot=since_boot,
            proc_root=proc_root,
            pod_logs=pod_logs,
            user_names=UserNames(clock=clock, known=user_names),
        )
        self._memory = paced_slowly(read_memory, HostMemory())
        self._pids: frozenset[int] | None = None  # of the processes that were read last
        self._read_at = float("-inf")  # seconds of the monotonic clock
        self._was_watched = True  # the last read
        self._gpu_processes: dict[int, HostProcess] = {}
        self._top_processes: Paced[tuple[HostProcess, ...] | None] = paced_slowly(
            self._read_top_processes, None
        )

    def read(self, pids: frozenset[int], *, watched: bool = True) -> ProcessesReading:
        """The processes; `pids` are those on GPUs; `watched`: whether there is demand.

        They are read as often as the driver's lists, and at once if those have changed, if a pid was reused,
        or if there is demand again.
        """
        at = self._clock()
        is_due = at - self._read_at >= PROCESS_PACE - JITTER or (watched and not self._was_watched)
        if is_due or pids != self._pids or not self._reader.are_unchanged():
            self._gpu_processes = self._reader.read(pids, self._memory.get(at).total, watched=watched)
            self._pids, self._read_at, self._was_watched = pids, at, watched
        top_processes = self._top_processes.get(at)
        if top_processes is not None:  # a name may have come since
            top_processes = tuple(map(self._reader.with_username, top_processes))
        return ProcessesReading(self._gpu_processes, top_processes)

    def _read_top_processes(self) -> tuple[HostProcess, ...] | None:
        return self._reader.largest(TOP_PROCESSES, self._memory.get(self._clock()).total)
