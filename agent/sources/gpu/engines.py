"""The engines of one GPU beside its SMs."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from agent.readings import Engines

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle


def read_engines(handle: GpuHandle) -> Engines:
    """NVML: see the fields of Engines."""
    return Engines(
        encoder_percent=_percent(handle, "engines.encoder_percent", "nvmlDeviceGetEncoderUtilization"),
        decoder_percent=_percent(handle, "engines.decoder_percent", "nvmlDeviceGetDecoderUtilization"),
        jpeg_percent=_percent(handle, "engines.jpeg_percent", "nvmlDeviceGetJpgUtilization"),
        ofa_percent=_percent(handle, "engines.ofa_percent", "nvmlDeviceGetOfaUtilization"),
    )


def _percent(handle: GpuHandle, field: str, function: str) -> int | None:
    answer = handle.call(function)  # [percent, sampling period in microseconds]
    percent: int | None = handle.take(field, answer, itemgetter(0))
    return percent
