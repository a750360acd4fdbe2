"""The engines of one GPU beside its SMs, and the sessions that encode or capture with them."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from agent.readings import Engines
from agent.sources.nvml import number

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle


def read_engines(handle: GpuHandle) -> Engines:
    """NVML: see the fields of Engines."""
    encoder = handle.call("nvmlDeviceGetEncoderStats")  # [sessions, frames per second, microseconds]
    capture = handle.call("nvmlDeviceGetFBCStats")
    return Engines(
        encoder_percent=_percent(handle, "engines.encoder_percent", "nvmlDeviceGetEncoderUtilization"),
        decoder_percent=_percent(handle, "engines.decoder_percent", "nvmlDeviceGetDecoderUtilization"),
        jpeg_percent=_percent(handle, "engines.jpeg_percent", "nvmlDeviceGetJpgUtilization"),
        ofa_percent=_percent(handle, "engines.ofa_percent", "nvmlDeviceGetOfaUtilization"),
        encoder_sessions=handle.take("engines.encoder_sessions", encoder, itemgetter(0)),
        encoder_fps=handle.take("engines.encoder_fps", encoder, itemgetter(1)),
        encoder_latency_microseconds=handle.take(
            "engines.encoder_latency_microseconds", encoder, itemgetter(2)
        ),
        capture_sessions=handle.take(
            "engines.capture_sessions", capture, lambda stats: number(stats, "sessionsCount")
        ),
        capture_fps=handle.take("engines.capture_fps", capture, lambda stats: number(stats, "averageFPS")),
        capture_latency_microseconds=handle.take(
            "engines.capture_latency_microseconds", capture, lambda stats: number(stats, "averageLatency")
        ),
    )


def _percent(handle: GpuHandle, field: str, function: str) -> int | None:
    answer = handle.call(function)  # [percent, sampling period in microseconds]
    percent: int | None = handle.take(field, answer, itemgetter(0))
    return percent
