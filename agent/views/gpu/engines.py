"""The engines of one GPU beside its SMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from agent.readings import Engines


class GpuEngines(BaseModel):
    """NVML: nvmlDeviceGetEncoderUtilization, DecoderUtilization, JpgUtilization, OfaUtilization."""

    encoder_percent: int | None = Field(description="utilization of the video encoder, percent of time")
    decoder_percent: int | None = Field(description="utilization of the video decoder, percent of time")
    jpeg_percent: int | None = Field(description="utilization of the JPEG decoder, percent of time")
    ofa_percent: int | None = Field(
        description="utilization of the optical flow accelerator, percent of time"
    )


def engines_view(engines: Engines) -> GpuEngines:
    """The wire shape of the engines."""
    return GpuEngines(
        encoder_percent=engines.encoder_percent,
        decoder_percent=engines.decoder_percent,
        jpeg_percent=engines.jpeg_percent,
        ofa_percent=engines.ofa_percent,
    )
