"""The engines of one GPU beside its SMs."""

from __future__ import annotations

from typing import Any

from agent.readings import Engines
from agent.sources.nvml import query_or_none


def read_engines(handle: Any) -> Engines:
    """NVML: see the fields of Engines."""
    return Engines(
        encoder_percent=_percent("nvmlDeviceGetEncoderUtilization", handle),
        decoder_percent=_percent("nvmlDeviceGetDecoderUtilization", handle),
        jpeg_percent=_percent("nvmlDeviceGetJpgUtilization", handle),
        ofa_percent=_percent("nvmlDeviceGetOfaUtilization", handle),
    )


def _percent(function: str, handle: Any) -> int | None:
    answer = query_or_none(function, handle)  # [percent, sampling period in microseconds]
    return None if answer is None else answer[0]
