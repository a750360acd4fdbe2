"""The processes on one GPU, or on one MIG instance, as NVML lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import GpuProcess, ProcessType
from agent.sources.nvml import demand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_LISTS = (
    (ProcessType.COMPUTE, "nvmlDeviceGetComputeRunningProcesses"),
    (ProcessType.GRAPHICS, "nvmlDeviceGetGraphicsRunningProcesses"),
)
_LOOK_BACK_US = 1_000_000  # the first query of a GPU: activity of the last second


class GpuProcessSource:
    """Processes of one handle; remembers up to when their utilization was seen."""

    def __init__(self, handle: Any, now: Callable[[], float]) -> None:
        self._handle = handle
        self._now = now
        self._seen_us = 0

    def read(self) -> tuple[GpuProcess, ...] | None:
        """None: this driver does not list processes."""
        lists = [(kind, read_list(function, self._handle)) for kind, function in _LISTS]
        if all(entries is None for _, entries in lists):
            return None
        listed = merge((kind, entries or ()) for kind, entries in lists)
        if not listed:
            return ()
        utilization = self._read_utilization()
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

    def _read_utilization(self) -> Mapping[int, int | None] | None:
        """Newest SM utilization by pid, percent. NVML: nvmlDeviceGetProcessUtilization; time stamps in µs."""
        now_us = int(self._now() * 1_000_000)
        since = min(self._seen_us, now_us) or now_us - _LOOK_BACK_US  # min: the clock may have been set back
        try:
            samples = demand("nvmlDeviceGetProcessUtilization", self._handle, since)
        except pynvml.NVMLError_NotFound:
            return {}
        except (pynvml.NVMLError_NoPermission, pynvml.NVMLError_InvalidArgument, pynvml.NVMLError_Unknown):
            return None
        if samples is None:
            return None
        newest: dict[int, Any] = {}
        for sample in samples:
            if sample.pid not in newest or sample.timeStamp > newest[sample.pid].timeStamp:
                newest[sample.pid] = sample
        self._seen_us = max((sample.timeStamp for sample in newest.values()), default=self._seen_us)
        # Some drivers answer garbage above 100 (nvtop#110).
        return {pid: sample.smUtil if sample.smUtil <= 100 else None for pid, sample in newest.items()}


def read_list(function: str, handle: Any) -> list[Any] | None:
    """One of NVML's process lists; asked again if it grew between NVML's two calls."""
    for _ in range(3):
        try:
            listed: list[Any] | None = demand(function, handle)
        except pynvml.NVMLError_InsufficientSize:
            continue
        except pynvml.NVMLError_NoPermission:
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
            if entry.pid in merged:
                earlier_kind, earlier_memory = merged[entry.pid]
                both = kind if earlier_kind is kind else ProcessType.BOTH
                known = [memory for memory in (earlier_memory, entry.usedGpuMemory) if memory is not None]
                merged[entry.pid] = (both, max(known, default=None))
            else:
                merged[entry.pid] = (kind, entry.usedGpuMemory)
    return merged
