"""Simulated GPUs that list real processes of this machine, for tests of what the agent reads from /proc.

Run as a program, it is the agent with them: `--simulate N` then lists processes of its own machine.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.simulation import SimulatedProcess, residents
from agent.sources import procfs
from agent.sources.process_source import ProcessSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.simulation import SimulatedGpu

MAX_PROCESSES = 16
REFRESH_SECONDS = 10.0  # of the simulation's clock


class RealProcesses:
    """This process and its parent first, then other processes that it may read, oldest first."""

    def __init__(self) -> None:
        self._pids: list[int] = []
        self._refresh_at = float("-inf")
        self._refreshing = threading.Lock()  # GPUs are read in threads, and none may see an unfinished list

    def processes_on(self, gpu: SimulatedGpu) -> list[SimulatedProcess]:
        """Three of these processes, or none if the GPU has no memory in use. The third process is idle."""
        at, values = gpu.now
        with self._refreshing:
            if at >= self._refresh_at:
                self._refresh_at = at + REFRESH_SECONDS
                self._pids = _readable_pids()
        pids = [pid for pid in self._pids if procfs.exists(pid)]
        chosen = dict.fromkeys(pids[(gpu.index * 2 + number) % len(pids)] for number in range(3))
        used, percent = values.memory_used or 0, values.gpu_utilization or 0
        return [
            SimulatedProcess(pid, "C", used // len(chosen), sm_utilization=percent // 2 if number < 2 else 0)
            for number, pid in enumerate(chosen if used else ())
        ]

    def process_table(
        self,
        gpus: Sequence[SimulatedGpu],  # noqa: ARG002  (part of the simulation's interface)
        elapsed: Callable[[], float],  # noqa: ARG002  (the same)
        *,
        hide_command_args: bool,
        pod_logs: str,
    ) -> ProcessSource:
        """The source that reads these processes from /proc."""
        return ProcessSource(hide_command_args=hide_command_args, pids_are_ours=True, pod_logs=pod_logs)


def _readable_pids() -> list[int]:
    found = [pid for pid in (os.getpid(), os.getppid()) if pid]  # 0: the parent is outside of the container
    for pid in procfs.pids():
        if len(found) >= MAX_PROCESSES:
            break
        with suppress(OSError):
            # kernel threads have no memory; the memory of other users' processes may be unreadable
            if pid not in found and procfs.read_resident_bytes(procfs.PROC, pid):
                found.append(pid)
    return found


REAL_PROCESSES = ("-m", "tests.support.real_processes")

if __name__ == "__main__":
    import main

    residents.in_place = RealProcesses
    main.run()
