"""GPU performance monitoring (GPM): each value is the comparison of two samples."""

from __future__ import annotations

import contextlib
from typing import Any

import pynvml

from agent.readings import Gpm
from agent.sources.nvml import query_or_none
from agent.sources.rates import gap

MIN_GAP = 0.1  # seconds; nvml.h wants the two samples of a metric at least 100 ms apart

_METRICS = (  # in the order of Gpm's fields, after `supported`
    pynvml.NVML_GPM_METRIC_SM_UTIL,
    pynvml.NVML_GPM_METRIC_SM_OCCUPANCY,
    pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL,
    pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL,
)


UNKNOWN = Gpm(supported=True)  # but no value now


class GpmSource:
    """Keeps the previous GPM sample of one handle and compares each new one with it."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        support = query_or_none("nvmlGpmQueryDeviceSupport", handle)
        self.supported = bool(support is not None and support.isSupportedDevice)
        self._previous: Any = None
        self._previous_at = float("-inf")
        self._spare: Any = None
        self._gpm = UNKNOWN if self.supported else Gpm()

    def read(self, now: float) -> Gpm:
        """NVML: nvmlGpmSampleGet and nvmlGpmMetricsGet. Unknown until there are two samples."""
        if not self.supported or now - self._previous_at < MIN_GAP:
            return self._gpm
        if self._spare is None:
            self._spare = query_or_none("nvmlGpmSampleAlloc")
        if self._spare is None or query_or_none("nvmlGpmSampleGet", self._handle, self._spare) is None:
            self._gpm = UNKNOWN
            return UNKNOWN
        earlier, recent = self._previous, gap(self._previous_at, now) is not None
        self._previous, self._previous_at, self._spare = self._spare, now, earlier
        self._gpm = _compare(earlier, self._previous) if earlier is not None and recent else UNKNOWN
        return self._gpm

    def release(self) -> None:
        """NVML: nvmlGpmSampleFree."""
        buffers, self._previous, self._spare = (self._previous, self._spare), None, None
        for buffer in buffers:
            if buffer is not None:
                with contextlib.suppress(pynvml.NVMLError):  # a lost GPU does not keep us from going on
                    query_or_none("nvmlGpmSampleFree", buffer)


def _compare(earlier: Any, later: Any) -> Gpm:
    request = pynvml.c_nvmlGpmMetricsGet_t()
    request.version = pynvml.NVML_GPM_METRICS_GET_VERSION
    request.numMetrics = len(_METRICS)
    request.sample1, request.sample2 = earlier, later
    for slot, metric in enumerate(_METRICS):
        request.metrics[slot].metricId = metric
    if query_or_none("nvmlGpmMetricsGet", request) is None:
        return UNKNOWN
    return Gpm(True, *(_percent(request.metrics[slot]) for slot in range(len(_METRICS))))


def _percent(metric: Any) -> float | None:
    return float(metric.value) if metric.nvmlReturn == pynvml.NVML_SUCCESS else None
