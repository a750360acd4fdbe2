"""The processes on one GPU, or on one MIG instance, as NVML lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import GpuProcess, ProcessType
from agent.sources.nvml import FATAL, byte_count, demand

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# As long as the pace of the process lists: what worked since the list before is seen, nothing older.
_LOOK_BACK_US = 2_000_000


def read_processes(handle: Any, now: float) -> tuple[GpuProcess, ...] | None:
    """The processes of one GPU; None: this driver does not list them. `now`: seconds since the epoch."""
    compute = read_list("nvmlDeviceGetComputeRunningProcesses", handle)
    graphics = read_list("nvmlDeviceGetGraphicsRunningProcesses", handle)
    if compute is None and not graphics:
        return None
    listed = merge([(ProcessType.COMPUTE, compute or ()), (ProcessType.GRAPHICS, graphics or ())])
    if not listed:
        return ()
    utilization = _read_utilization(handle, now)
    return tuple(
        GpuProcess(
            pid,
            kind,
            memory,
            # NVML only speaks of processes that worked since: the others did nothing.
            None if utilization is None else utilization.get(pid, 0),
        )
        for pid, (kind, memory) in sorted(listed.items())
    )


def _read_utilization(handle: Any, now: float) -> Mapping[int, int | None] | None:
    """Newest SM utilization by pid, percent. NVML: nvmlDeviceGetProcessUtilization; time stamps in µs."""
    try:
        samples = demand("nvmlDeviceGetProcessUtilization", handle, int(now * 1_000_000) - _LOOK_BACK_US)
    except pynvml.NVMLError_NotFound:
        return {}
    except FATAL:
        raise
    except pynvml.NVMLError:
        return None
    if samples is None:
        return None
    newest: dict[int, Any] = {}
    for sample in samples:
        if sample.pid not in newest or sample.timeStamp > newest[sample.pid].timeStamp:
            newest[sample.pid] = sample
    # Some drivers answer garbage above 100 (nvtop#110).
    return {pid: sample.smUtil if sample.smUtil <= 100 else None for pid, sample in newest.items()}


def read_list(function: str, handle: Any) -> list[Any] | None:
    """One of NVML's process lists; asked again if it grew between NVML's two calls."""
    for _ in range(3):
        try:
            listed: list[Any] | None = demand(function, handle)
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
