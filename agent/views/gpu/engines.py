"""The engines of one GPU beside its SMs, and the sessions that encode or capture with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from agent.readings import Engines


class GpuSessions(BaseModel):
    """Sessions of one kind, all programs together."""

    count: int | None = Field(description="number of sessions")
    fps: int | None = Field(description="mean speed, frames per second")
    latency_microseconds: int | None = Field(description="mean latency of a frame, microseconds")


class GpuEngines(BaseModel):
    """NVML: nvmlDeviceGetEncoderUtilization, DecoderUtilization, JpgUtilization, OfaUtilization."""

    encoder_percent: int | None = Field(description="utilization of the video encoder, percent of time")
    decoder_percent: int | None = Field(description="utilization of the video decoder, percent of time")
    jpeg_percent: int | None = Field(description="utilization of the JPEG decoder, percent of time")
    ofa_percent: int | None = Field(
        description="utilization of the optical flow accelerator, percent of time"
    )
    encoder_sessions: GpuSessions = Field(
        description="sessions that encode video (NVENC); NVML: nvmlDeviceGetEncoderStats"
    )
    capture_sessions: GpuSessions = Field(
        description="sessions that capture the frame buffer (NvFBC); NVML: nvmlDeviceGetFBCStats"
    )


def engines_view(engines: Engines) -> GpuEngines:
    """The wire shape of the engines."""
    return GpuEngines(
        encoder_percent=engines.encoder_percent,
        decoder_percent=engines.decoder_percent,
        jpeg_percent=engines.jpeg_percent,
        ofa_percent=engines.ofa_percent,
        encoder_sessions=GpuSessions(
            count=engines.encoder_sessions,
            fps=engines.encoder_fps,
            latency_microseconds=engines.encoder_latency_microseconds,
        ),
        capture_sessions=GpuSessions(
            count=engines.capture_sessions,
            fps=engines.capture_fps,
            latency_microseconds=engines.capture_latency_microseconds,
        ),
    )
