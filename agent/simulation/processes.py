"""Processes on simulated GPUs, as the driver knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProcessLists = Literal["C", "G", "C+G", "M", "C+M", "G+M"]  # that a process is on; M: that of MPS clients

BEYOND_ANY_PID = 2**22 + 1  # Linux gives no pid above 2**22: such a process has always just exited
FIRST_ARRIVAL = 10_000_000  # the pids of those that come while a list is read


@dataclass(frozen=True, slots=True)
class SimulatedProcess:
    """A process that holds a context on a GPU; utilization in percent of that GPU."""

    pid: int
    type: ProcessLists = "C"
    memory_bytes: int | None = 0  # None: the driver does not report it
    sm_utilization: int = 0
    memory_utilization: int = 0
    encoder_utilization: int = 0
    decoder_utilization: int = 0
    mig_index: int | None = None  # which MIG instance it runs in; None: not in any
    worked_ago: float = 0.0  # seconds; how old its newest utilization sample is
    comm: str = "python3"  # the kernel's name of it, as the driver writes it into the kernel log


def churned(processes: list[SimulatedProcess], turn: int) -> list[SimulatedProcess]:
    """Changes of a list between its size call and its fill call: shrunk, grown, or grown much."""
    arrivals = (1, 3 * len(processes) + 6, 0)[turn % 3]
    if not arrivals:
        return processes[:-1]
    first = FIRST_ARRIVAL + turn * 1000
    return [*processes, *(SimulatedProcess(first + number) for number in range(arrivals))]
