"""The processes on one GPU, or on one MIG instance, as NVML lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml

from agent.readings import GpuProcess, ProcessType
from agent.sources.gpu.paces import PROCESS_PACE
from agent.sources.nvml import FATAL, byte_count, query
from agent.sources.paced import Paced
from agent.sources.rates import gap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# The second (R550 and newer) is asked where the first does not tell.
_UTILIZATION_FUNCTIONS = ("nvmlDeviceGetProcessUtilization", "nvmlDeviceGetProcessesUtilizationInfo")


class ProcessUtilization(NamedTuple):
    """Of a GPU by one process, percent."""

    sm: int | None
    memory: int | None
    encoder: int | None
    decoder: int | None


IDLE = ProcessUtilization(0, 0, 0, 0)
UNKNOWN = ProcessUtilization(None, None, None, None)


class ProcessesSource:
    """The processes on the GPU behind one handle.

    `clock`: seconds of the monotonic clock; `now`: seconds since the epoch.
    """

    def __init__(self, handle: Any, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._handle = handle
        self._clock = clock
        self._now = now
        self._read_at = float("-inf")
        self._paced = Paced(PROCESS_PACE, self._read)

    def read(self, now: float) -> tuple[GpuProcess, ...] | None:
        """By pid; None: this driver does not list them."""
        return self._paced.get(now)

    def _read(self) -> tuple[GpuProcess, ...] | None:
        """With the utilization since the list before, so that no work between two lists is missed."""
        at = self._clock()
        # By the monotonic clock: NVML's time stamps are of a clock that may be set back.
        look_back = gap(self._read_at, at) or 0.0
        self._read_at = at
        return read_processes(self._handle, self._now(), max(look_back, PROCESS_PACE))


def read_processes(handle: Any, now: float, look_back: float) -> tuple[GpuProcess, ...] | None:
    """The processes of one GPU; None: this driver does not list them.

    `now` in seconds since the epoch; a process that did nothing in the `look_back` seconds before it is idle.
    """
    compute = read_list("nvmlDeviceGetComputeRunningProcesses", handle)
    graphics = read_list("nvmlDeviceGetGraphicsRunningProcesses", handle)
    if compute is None and not graphics:
        return None
    listed = merge([(ProcessType.COMPUTE, compute or ()), (ProcessType.GRAPHICS, graphics or ())])
    if not listed:
        return ()
    utilization = _read_utilization(handle, now - look_back)
    return tuple(
        # NVML only speaks of processes that worked since: the others did nothing.
        GpuProcess(pid, kind, memory, *(UNKNOWN if utilization is None else utilization.get(pid, IDLE)))
        for pid, (kind, memory) in sorted(listed.items())
    )


def _read_utilization(handle: Any, since: float) -> Mapping[int, ProcessUtilization] | None:
    """Newest utilization by pid since then; None: neither function tells. NVML's time stamps are in µs."""
    for function in _UTILIZATION_FUNCTIONS:
        try:
            samples = query(function, handle, int(since * 1_000_000))
        except pynvml.NVMLError_NotFound:
            return {}
        except FATAL:
            raise
        except pynvml.NVMLError:
            continue
        if samples is not None:
            return _newest(samples)
    return None


def _newest(samples: Iterable[Any]) -> dict[int, ProcessUtilization]:
    newest: dict[int, Any] = {}
    for sample in samples:
        if sample.pid not in newest or sample.timeStamp > newest[sample.pid].timeStamp:
            newest[sample.pid] = sample
    return {
        pid: ProcessUtilization(
            *map(_percent, (sample.smUtil, sample.memUtil, sample.encUtil, sample.decUtil))
        )
        for pid, sample in newest.items()
    }


def _percent(value: int) -> int | None:
    """Some drivers answer garbage above 100 (nvtop#110)."""
    return value if value <= 100 else None


def read_list(function: str, handle: Any) -> list[Any] | None:
    """One of NVML's process lists; asked again if it grew between NVML's two calls."""
    for _ in range(3):
        try:
            listed: list[Any] | None = query(function, handle)
        except pynvml.NVMLError_InsufficientSize:
            continue
        except FATAL:
            raise
        except pynvml.NVMLError:
            return None
        return listed
    return None


def merge(
    lists: Iterable[tuple[ProcessType, Iterable[Any]]],
) -> dict[int, tuple[ProcessType, int | None]]:
    """Both lists by pid; a process on both is C+G and its memory, the same on both, counts once."""
    merged: dict[int, tuple[ProcessType, int | None]] = {}
    for kind, entries in lists:
        for entry in entries:
            memory = byte_count(entry, "usedGpuMemory")
            if entry.pid in merged:
                earlier_kind, earlier_memory = merged[entry.pid]
                both = kind if earlier_kind is kind else ProcessType.BOTH
                known = [value for value in (earlier_memory, memory) if value is not None]
                merged[entry.pid] = (both, max(known, default=None))
            else:
                merged[entry.pid] = (kind, memory)
    return merged
