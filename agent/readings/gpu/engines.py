"""The engines of one GPU beside its SMs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engines:
    """Percent of time in use."""

    encoder_percent: int | None = None  # nvmlDeviceGetEncoderUtilization
    decoder_percent: int | None = None  # nvmlDeviceGetDecoderUtilization
    jpeg_percent: int | None = None  # nvmlDeviceGetJpgUtilization
    ofa_percent: int | None = None  # nvmlDeviceGetOfaUtilization: optical flow accelerator
