"""Utilization of one GPU by each process, as sampled by NVML."""

from __future__ import annotations

from ctypes import byref, c_uint, c_ulonglong
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pynvml

from agent.sources.gpu.unknown import Refusal
from agent.sources.nvml import call_c_function, member, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent.sources.gpu.handle import Function, GpuHandle

# Samples of one answer; a driver that wants room for more returns garbage.
_MOST_SAMPLES = 16_384
_TRIES = 3  # the processes may become more between two of them


class ProcessUtilization(NamedTuple):
    """Of a GPU by one process, percent."""

    sm: int | None
    memory: int | None
    encoder: int | None
    decoder: int | None

    @property
    def is_work(self) -> bool:
        """Whether the process did something; some drivers answer garbage above 100 (nvtop#110)."""
        return any(0 < percent <= 100 for percent in self if percent is not None)


IDLE = ProcessUtilization(0, 0, 0, 0)
UNKNOWN = ProcessUtilization(None, None, None, None)


class _Samples:
    """NVML: nvmlDeviceGetProcessUtilization, into a buffer as large as the latest answer needed.

    pynvml's own function asks for the size each time, which is a second call of the driver.
    """

    __name__ = "nvmlDeviceGetProcessUtilization"  # so it is called where its errors are shown

    def __init__(self) -> None:
        self._room = 0

    def __call__(self, raw: Any, since: int) -> Sequence[Any]:
        """The samples since then, in µs of NVML's time stamps. Raises `pynvml.NVMLError`."""
        for _ in range(_TRIES):
            count = c_uint(self._room)
            samples = (pynvml.c_nvmlProcessUtilizationSample_t * self._room)()
            try:
                call_c_function(
                    self.__name__, raw, samples if self._room else None, byref(count), c_ulonglong(since)
                )
            except pynvml.NVMLError_InsufficientSize:
                if not self._room < count.value <= _MOST_SAMPLES:
                    raise
                self._room = count.value
            else:
                return cast("Sequence[Any]", samples[: count.value])
        raise pynvml.NVMLError_InsufficientSize


class ProcessUtilizationSource:
    """The processes on the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._handle = handle
        # The second (R550 and newer) is called where the first reports nothing. On Blackwell the first finds
        # nothing for ever (Project-HAMi/HAMi#2015).
        self._functions: tuple[Function, ...] = (_Samples(), "nvmlDeviceGetProcessesUtilizationInfo")

    def read(
        self, since: float, listed: Iterable[int], *, gpu_may_have_worked: bool
    ) -> Mapping[int, ProcessUtilization] | None:
        """The newest utilization since then (seconds since the epoch) by pid; None: not reported.

        NVML reports only processes that worked. But if the GPU worked and NVML reports no `listed` process,
        their utilization is unknown.
        """
        for function in self._functions:
            samples = self._read_samples(function, since)
            if samples is None:
                continue
            utilization = _newest(samples)
            if not gpu_may_have_worked or any(utilization.get(pid, IDLE).is_work for pid in listed):
                return utilization
        return None

    def _read_samples(self, function: Function, since: float) -> Iterable[Any] | None:
        """The samples; None: this function does not report any. NVML's time stamps are in µs."""
        samples: Any = self._handle.call(function, int(since * 1_000_000))
        if isinstance(samples, Refusal):
            return () if samples.code == pynvml.NVML_ERROR_NOT_FOUND else None
        return cast("Iterable[Any]", samples)


def _newest(samples: Iterable[Any]) -> dict[int, ProcessUtilization]:
    newest: dict[int, tuple[int, Any]] = {}
    for sample in samples:
        pid, taken_at = member(sample, "pid"), member(sample, "timeStamp")
        if pid not in newest or taken_at > newest[pid][0]:
            newest[pid] = taken_at, sample
    return {
        pid: ProcessUtilization(
            number(sample, "smUtil"),
            number(sample, "memUtil"),
            number(sample, "encUtil"),
            number(sample, "decUtil"),
        )
        for pid, (_, sample) in newest.items()
    }
