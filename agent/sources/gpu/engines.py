"""The engines of one GPU beside its SMs, and the sessions that encode or capture with them."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from agent.readings import Engines
from agent.readings.gpu.utilization import WORKS_PERCENT
from agent.sources.gpu.paces import DETAIL_PACE, SLOW_PACE
from agent.sources.nvml import number
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment


class EnginesSource:
    """The engines of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._video = Paced(SLOW_PACE, lambda: _read_video(handle))
        self._others = Paced(DETAIL_PACE, lambda: _read_others(handle))

    def read(self, moment: Moment, gpu_percent: int | None) -> Engines:
        """NVML: see the fields of Engines. `gpu_percent`: the utilization of the GPU in this sample."""
        # A GPU that runs no kernel may encode or decode video; it is not idle then.
        may_be_idle = gpu_percent is None or gpu_percent < WORKS_PERCENT
        return Engines(
            **self._video.get(moment.now if may_be_idle else moment.details),
            **self._others.get(moment.details),
        )


def _read_video(handle: GpuHandle) -> dict[str, int | None]:
    return {
        "encoder_percent": _percent(handle, "engines.encoder_percent", "nvmlDeviceGetEncoderUtilization"),
        "decoder_percent": _percent(handle, "engines.decoder_percent", "nvmlDeviceGetDecoderUtilization"),
    }


def _read_others(handle: GpuHandle) -> dict[str, int | None]:
    encoder = handle.call("nvmlDeviceGetEncoderStats")  # [sessions, frames per second, microseconds]
    capture = handle.call("nvmlDeviceGetFBCStats")
    return {
        "jpeg_percent": _percent(handle, "engines.jpeg_percent", "nvmlDeviceGetJpgUtilization"),
        "ofa_percent": _percent(handle, "engines.ofa_percent", "nvmlDeviceGetOfaUtilization"),
        "encoder_sessions": handle.take("engines.encoder_sessions", encoder, itemgetter(0)),
        "encoder_fps": handle.take("engines.encoder_fps", encoder, itemgetter(1)),
        "encoder_latency_microseconds": handle.take(
            "engines.encoder_latency_microseconds", encoder, itemgetter(2)
        ),
        "capture_sessions": handle.take(
            "engines.capture_sessions", capture, lambda stats: number(stats, "sessionsCount")
        ),
        "capture_fps": handle.take("engines.capture_fps", capture, lambda stats: number(stats, "averageFPS")),
        "capture_latency_microseconds": handle.take(
            "engines.capture_latency_microseconds", capture, lambda stats: number(stats, "averageLatency")
        ),
    }


def _percent(handle: GpuHandle, field: str, function: str) -> int | None:
    answer = handle.call(function)  # [percent, sampling period in microseconds]
    percent: int | None = handle.take(field, answer, itemgetter(0))
    return percent
