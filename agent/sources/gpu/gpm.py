"""GPU performance monitoring (GPM): each value is the comparison of two samples."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Gpm
from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.gpu.unknown import Refusal
from agent.sources.nvml import member
from agent.sources.paced_value import Paced
from agent.sources.rates import gap

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle

MIN_GAP = 0.1  # seconds; nvml.h wants the two samples of a metric at least 100 ms apart

_METRICS = {  # in the order of Gpm's fields, after `supported`
    "gpm.sm_activity_percent": pynvml.NVML_GPM_METRIC_SM_UTIL,
    "gpm.sm_occupancy_percent": pynvml.NVML_GPM_METRIC_SM_OCCUPANCY,
    "gpm.tensor_activity_percent": pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL,
    "gpm.dram_activity_percent": pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL,
}
_SUPPORT, _COMPARE = "nvmlGpmQueryDeviceSupport", "nvmlGpmMetricsGet"


def _request() -> Any:
    """The request for the metrics, without the two samples; kept because the struct has 19 KiB."""
    request = pynvml.c_nvmlGpmMetricsGet_t()
    request.version = pynvml.NVML_GPM_METRICS_GET_VERSION
    request.numMetrics = len(_METRICS)
    for slot, metric in enumerate(_METRICS.values()):
        request.metrics[slot].metricId = metric
    return request


UNKNOWN = Gpm(supported=True)  # but no value now


class GpmSource:
    """Keeps the previous GPM sample of one handle and compares each new one with it."""

    def __init__(self, handle: GpuHandle) -> None:
        self._handle = handle
        self._is_supported: bool | None = None  # None: the driver failed to report it
        self._support = Paced(SLOW_PACE, self._read_support)
        self._previous: Any = None
        self._previous_at = float("-inf")
        self._spare: Any = None
        self._request = _request()
        self._gpm = Gpm()

    def read(self, now: float) -> Gpm:
        """NVML: nvmlGpmSampleGet and nvmlGpmMetricsGet. Unknown until there are two samples."""
        supported = self._support.get(now) if self._is_supported is None else self._is_supported
        if not supported or now - self._previous_at < MIN_GAP:
            return self._gpm
        self._gpm = self._read(now)
        return self._gpm

    def _read_support(self) -> bool | None:
        """NVML: nvmlGpmQueryDeviceSupport; asked again only where the driver failed to answer."""
        support = self._handle.call(_SUPPORT)
        if isinstance(support, Refusal):
            self._note(support)
            self._is_supported = None if support.is_failure else False
        else:
            self._is_supported = bool(support.isSupportedDevice)
            if not self._is_supported:
                self._note(Refusal(_SUPPORT, pynvml.NVML_SUCCESS))
        return self._is_supported

    def _read(self, now: float) -> Gpm:
        handle = self._handle
        if self._spare is None:
            spare = handle.call_exactly("nvmlGpmSampleAlloc")
            if isinstance(spare, Refusal):
                return self._note(spare)
            self._spare = spare
        taken = handle.call("nvmlGpmSampleGet", self._spare)
        if isinstance(taken, Refusal):
            return self._note(taken)
        earlier, recent = self._previous, gap(self._previous_at, now) is not None
        self._previous, self._previous_at, self._spare = self._spare, now, earlier
        if earlier is None or not recent:
            handle.record.forget(*_METRICS)
            return UNKNOWN
        return self._compare(earlier, self._previous)

    def _compare(self, earlier: Any, later: Any) -> Gpm:
        request = self._request
        request.sample1, request.sample2 = earlier, later
        answer = self._handle.call_exactly(_COMPARE, request)
        if isinstance(answer, Refusal):
            return self._note(answer)
        metrics = member(request, "metrics")
        return Gpm(True, *(self._metric(field, metrics[slot]) for slot, field in enumerate(_METRICS)))

    def _metric(self, field: str, metric: Any) -> float | None:
        code = member(metric, "nvmlReturn")
        if code == pynvml.NVML_SUCCESS:
            return self._handle.take(field, float(member(metric, "value")), float)
        refusal = Refusal(_COMPARE, code)
        self._handle.record.count(refusal)
        self._handle.record.note(field, refusal)
        return None

    def _note(self, refusal: Refusal) -> Gpm:
        """Record that no metric is reported."""
        for field in _METRICS:
            self._handle.record.note(field, refusal)
        return UNKNOWN

    def release(self) -> None:
        """NVML: nvmlGpmSampleFree."""
        buffers, self._previous, self._spare = (self._previous, self._spare), None, None
        for buffer in buffers:
            if buffer is not None:
                with contextlib.suppress(pynvml.NVMLError):  # an error of a lost GPU does not matter here
                    self._handle.call_exactly("nvmlGpmSampleFree", buffer)
