"""Processes on simulated GPUs; by default real ones of this host, so that /proc can describe them."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.sources import procfs

if TYPE_CHECKING:
    from agent.simulation.load_curves import GpuValues
    from agent.simulation.models import GpuModel

ProcessLists = Literal["C", "G", "C+G", "M", "C+M", "G+M"]  # that a process is on; M: that of MPS clients

REFRESH_SECONDS = 10.0
MAX_LOCAL_PROCESSES = 16
UNIFIED_MEMORY_USED = 2 * 1024**3
CONTEXT_OVERHEAD = 300 * 1024**2  # bytes in use that the driver lists with no process
BEYOND_ANY_PID = 2**22 + 1  # Linux gives no pid above 2**22: such a process has always just exited


@dataclass(frozen=True, slots=True)
class SimulatedProcess:
    """A process that holds a context on a GPU; utilization in percent of that GPU."""

    pid: int
    type: ProcessLists = "C"
    memory_bytes: int | None = 0  # None: the driver does not tell
    sm_utilization: int = 0
    memory_utilization: int = 0
    encoder_utilization: int = 0
    decoder_utilization: int = 0
    mig_index: int | None = None  # which MIG instance it runs in; None: not in any
    worked_ago: float = 0.0  # seconds; how old its newest utilization sample is


class LocalProcesses:
    """Pids of this host that may be read: this process and its parents first, then others, oldest first."""

    def __init__(self) -> None:
        self._pids: tuple[int, ...] = ()
        self._refresh_at = float("-inf")
        self._refreshing = (
            threading.Lock()
        )  # GPUs are read in threads: none may see the list before it is made

    def alive(self, elapsed: float) -> list[int]:
        """Those that run now; new ones are looked for every REFRESH_SECONDS of the simulation's clock."""
        with self._refreshing:
            if elapsed >= self._refresh_at:
                self._refresh_at = elapsed + REFRESH_SECONDS
                self._pids = tuple(_readable_pids())
        return [pid for pid in self._pids if procfs.exists(pid)]


def _readable_pids() -> list[int]:
    found = [pid for pid in (os.getpid(), os.getppid()) if pid]  # 0: the parent is outside of the container
    for pid in procfs.pids():
        if len(found) >= MAX_LOCAL_PROCESSES:
            break
        with suppress(OSError):
            # kernel threads have no memory; others' may be refused
            if pid not in found and procfs.read_resident_bytes(procfs.PROC, pid):
                found.append(pid)
    return found


def default_processes(
    model: GpuModel, index: int, values: GpuValues, pids: list[int], mig_instances: int
) -> list[SimulatedProcess]:
    """One to three of `pids` that share out the GPU's memory and utilization; none when it is idle.

    The third has been forgotten by its owner: it holds its share of the memory and does nothing.
    """
    if not pids:
        return []
    found: list[SimulatedProcess] = []
    if model.graphics_processes:
        found.append(SimulatedProcess(pids[(index + 1) % len(pids)], "G", 24 * 1024**2))
    if values.memory_used == 0 or (values.memory_used is None and not values.gpu_utilization):
        return found
    count = min(1 + index % 3, len(pids), 3)
    chosen = [pids[(index * 2 + number) % len(pids)] for number in range(count)]
    # unified memory: the GPU tells no total, yet each process has its amount
    used = UNIFIED_MEMORY_USED if values.memory_used is None else values.memory_used
    for number, pid in enumerate(dict.fromkeys(chosen)):
        part = 2 - (number > 0)  # the first has twice as much as each other
        work = part if number < 2 else 0
        found.append(
            SimulatedProcess(
                pid,
                "C+G" if model.graphics_processes and number == 0 else "C",
                max(0, used - CONTEXT_OVERHEAD) // (count + 1) * part,
                sm_utilization=(values.gpu_utilization or 0) // (count + 1) * work,
                memory_utilization=(values.memory_utilization or 0) // (count + 1) * work,
                decoder_utilization=(values.decoder_utilization or 0) // count if work else 0,
                mig_index=number % mig_instances if mig_instances else None,
            )
        )
    used_pids = {process.pid for process in found if process.type != "G"}
    return [process for process in found if process.type != "G" or process.pid not in used_pids]


def churned(processes: list[SimulatedProcess], turn: int) -> list[SimulatedProcess]:
    """What a list may have become between its size call and its fill call: shrunk, grown, or grown far."""
    arrivals = (1, 3 * len(processes) + 6, 0)[turn % 3]
    if not arrivals:
        return processes[:-1]
    first = BEYOND_ANY_PID + turn * 1000
    return [*processes, *(SimulatedProcess(first + number) for number in range(arrivals))]
