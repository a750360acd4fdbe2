"""The processes on one GPU, or on one MIG instance, as NVML lists them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml
from nvitop import libnvml

from agent.readings import GpuProcess, ProcessType
from agent.readings.gpu.utilization import WORKS_PERCENT
from agent.sources.gpu.paces import PROCESS_PACE
from agent.sources.gpu.process_utilization import (
    IDLE,
    UNKNOWN,
    ProcessUtilization,
    ProcessUtilizationSource,
)
from agent.sources.gpu.unknown import Refusal, gravest
from agent.sources.nvml import number
from agent.sources.paced_value import Paced
from agent.sources.rates import gap

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from agent.sources.gpu.handle import GpuHandle

# Of a process whose memory the driver lists as not available.
_NO_MEMORY = Refusal("nvmlDeviceGetComputeRunningProcesses", pynvml.NVML_SUCCESS)


class ProcessList(NamedTuple):
    """The listed processes, by pid. None: the driver does not report the list.

    `is_partial`: some list was refused, so that there may be more.
    """

    processes: tuple[GpuProcess, ...] | None
    is_partial: bool = False


class ProcessesSource:
    """The processes on the GPU behind one handle.

    `clients` lists clients of MPS; `clock`: seconds of the monotonic clock; `now`: seconds since the epoch.
    """

    def __init__(
        self,
        handle: GpuHandle,
        clients: Callable[[Any], Iterable[Any] | Refusal],
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._handle = handle
        self._clients = clients
        self._clock = clock
        self._now = now
        self._utilization = ProcessUtilizationSource(handle)
        self._read_at = float("-inf")
        self._gpu_may_have_worked = False  # since then
        self._paced = Paced(PROCESS_PACE, self._read)

    def read(self, now: float, gpu_percent: int | None) -> ProcessList:
        """`gpu_percent`: the utilization of the GPU in this sample; None: unknown."""
        self._gpu_may_have_worked |= gpu_percent is None or gpu_percent >= WORKS_PERCENT
        return self._paced.get(now)

    def _read(self) -> ProcessList:
        """The processes with the utilization since the previous list, so that no work is missed."""
        at = self._clock()
        # By the monotonic clock, because NVML's time stamps use a clock that may be set back.
        look_back = gap(self._read_at, at) or PROCESS_PACE
        self._read_at = at
        may_have_worked, self._gpu_may_have_worked = self._gpu_may_have_worked, False
        since = self._now() - max(look_back, PROCESS_PACE)
        clients = self._clients(self._handle.raw)
        return self._list(clients, since, gpu_may_have_worked=may_have_worked)

    def _list(
        self, clients: Iterable[Any] | Refusal, since: float, *, gpu_may_have_worked: bool
    ) -> ProcessList:
        """The processes, with what they have done on the GPU `since` then (seconds since the epoch)."""
        handle = self._handle
        answers: tuple[Any, ...] = (handle.call(compute_processes), handle.call(graphics_processes), clients)
        # A GPU or driver without the second or third list has no such processes; with any other refusal of
        # them there may be some.
        missing = [
            answer
            for answer in answers
            if isinstance(answer, Refusal) and (answer is answers[0] or not answer.is_absence)
        ]
        compute, graphics, clients = (() if isinstance(answer, Refusal) else answer for answer in answers)
        of_mps = {entry.pid for entry in clients}
        if isinstance(answers[0], Refusal) and not graphics and not of_mps:
            handle.record.note("processes", gravest(missing))
            return ProcessList(None)
        listed = merge(compute, graphics, clients)
        without_memory = [_NO_MEMORY] if any(memory is None for _, memory in listed.values()) else []
        handle.record.note("processes", gravest([*missing, *without_memory]))
        utilization = self._utilization_of(listed, of_mps, since, gpu_may_have_worked=gpu_may_have_worked)
        processes = tuple(
            GpuProcess(pid, kind, memory, *utilization[pid], mps=pid in of_mps)
            for pid, (kind, memory) in sorted(listed.items())
        )
        return ProcessList(processes, is_partial=bool(missing))

    def _utilization_of(
        self, listed: Iterable[int], clients: Container[int], since: float, *, gpu_may_have_worked: bool
    ) -> dict[int, ProcessUtilization]:
        """The utilization by each listed process; `clients` are those of MPS."""
        reported = (
            self._utilization.read(since, listed, gpu_may_have_worked=gpu_may_have_worked) if listed else None
        )
        if reported is None:
            return dict.fromkeys(listed, UNKNOWN)
        # Up to Pascal the server of MPS works for all clients, and only its own work is reported.
        is_client_reported = any(reported.get(pid, IDLE).is_work for pid in listed if pid in clients)
        of_client = UNKNOWN if gpu_may_have_worked and not is_client_reported else IDLE
        return {pid: reported.get(pid, of_client if pid in clients else IDLE) for pid in listed}


def compute_processes(raw: Any) -> list[Any]:
    """NVML: nvmlDeviceGetComputeRunningProcesses, of the GPU or MIG device behind NVML's handle `raw`."""
    return read_growing_list(libnvml.nvmlDeviceGetComputeRunningProcesses, raw)


def graphics_processes(raw: Any) -> list[Any]:
    """NVML: nvmlDeviceGetGraphicsRunningProcesses."""
    return read_growing_list(libnvml.nvmlDeviceGetGraphicsRunningProcesses, raw)


# So they are called where their errors are shown.
compute_processes.__name__ = "nvmlDeviceGetComputeRunningProcesses"
graphics_processes.__name__ = "nvmlDeviceGetGraphicsRunningProcesses"


def read_growing_list(function: Callable[[Any], list[Any]], raw: Any) -> list[Any]:
    """A list of NVML; read again if it grew between NVML's two calls."""
    for _ in range(2):
        with contextlib.suppress(pynvml.NVMLError_InsufficientSize):
            return function(raw)
    return function(raw)


def merge(
    compute: Iterable[Any], graphics: Iterable[Any], clients: Iterable[Any]
) -> dict[int, tuple[ProcessType, int | None]]:
    """All lists by pid. A process on several counts once, as its memory does, which is the same on all.

    On compute and graphics it is C+G. A client of MPS computes, also where it is on its own list alone.
    """
    merged: dict[int, tuple[ProcessType, int | None]] = {}
    lists = ((ProcessType.COMPUTE, compute), (ProcessType.GRAPHICS, graphics), (ProcessType.COMPUTE, clients))
    for kind, entries in lists:
        for entry in entries:
            memory = number(entry, "usedGpuMemory")
            if entry.pid in merged:
                earlier_kind, earlier_memory = merged[entry.pid]
                both = kind if earlier_kind is kind else ProcessType.BOTH
                merged[entry.pid] = (both, memory if earlier_memory is None else earlier_memory)
            else:
                merged[entry.pid] = (kind, memory)
    return merged
