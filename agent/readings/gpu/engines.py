"""The engines of one GPU beside its SMs, and the sessions that encode or capture with them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engines:
    """Percent of time in use; of the sessions together their number, and their mean speed and latency."""

    encoder_percent: int | None = None  # nvmlDeviceGetEncoderUtilization
    decoder_percent: int | None = None  # nvmlDeviceGetDecoderUtilization
    jpeg_percent: int | None = None  # nvmlDeviceGetJpgUtilization
    ofa_percent: int | None = None  # nvmlDeviceGetOfaUtilization: optical flow accelerator
    encoder_sessions: int | None = None  # nvmlDeviceGetEncoderStats, as the two below
    encoder_fps: int | None = None  # frames per second
    encoder_latency_microseconds: int | None = None
    capture_sessions: int | None = None  # nvmlDeviceGetFBCStats, as the two below: frame buffer capture
    capture_fps: int | None = None
    capture_latency_microseconds: int | None = None
