"""The engines of each GPU beside its SMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import ratio

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    (
        "encoder_utilization_ratio",
        "Utilization of the video encoder, 0 to 1.",
        lambda r: ratio(r.engines.encoder_percent),
    ),
    (
        "decoder_utilization_ratio",
        "Utilization of the video decoder, 0 to 1.",
        lambda r: ratio(r.engines.decoder_percent),
    ),
    (
        "jpeg_utilization_ratio",
        "Utilization of the JPEG decoder, 0 to 1.",
        lambda r: ratio(r.engines.jpeg_percent),
    ),
    (
        "ofa_utilization_ratio",
        "Utilization of the optical flow accelerator, 0 to 1.",
        lambda r: ratio(r.engines.ofa_percent),
    ),
    (
        "encoder_sessions",
        "Number of sessions that encode video (NVENC).",
        lambda r: r.engines.encoder_sessions,
    ),
    (
        "encoder_frames_per_second",
        "Mean speed of the sessions that encode video, in frames per second.",
        lambda r: r.engines.encoder_fps,
    ),
    (
        "capture_sessions",
        "Number of sessions that capture the frame buffer (NvFBC).",
        lambda r: r.engines.capture_sessions,
    ),
    (
        "capture_frames_per_second",
        "Mean speed of the sessions that capture the frame buffer, in frames per second.",
        lambda r: r.engines.capture_fps,
    ),
)
