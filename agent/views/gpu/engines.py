"""The engines of one GPU beside its SMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from agent.readings import Engines


class GpuEngines(BaseModel):
    """NVML: nvmlDeviceGetEncoderUtilization, DecoderUtilization, JpgUtilization, OfaUtilization."""

    encoder_percent: int | None = Field(description="video encoder, percent of time in use")
    decoder_percent: int | None = Field(description="video decoder, percent of time in use")
    jpeg_percent: int | None = Field(description="JPEG decoder, percent of time in use")
    ofa_percent: int | None = Field(description="optical flow accelerator, percent of time in use")


def engines_view(engines: Engines) -> GpuEngines:
    """The wire shape of the engines."""
    return GpuEngines(
        encoder_percent=engines.encoder_percent,
        decoder_percent=engines.decoder_percent,
        jpeg_percent=engines.jpeg_percent,
        ofa_percent=engines.ofa_percent,
    )
