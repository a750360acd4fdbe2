"""Since when a GPU has been idle, and whether a process on it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.readings import GpuReading, GpuSample, GpuState, Reason, Unknown
from agent.sampling.condition import ConditionTimer
from agent.sampling.idleness import gpu_is_idle
from tests.support.readings import reading

MAX_GAP = 30.0


def sample_of(reading: GpuReading) -> GpuSample:
    return GpuSample(0, GpuState.OK, reading)


IDLE, BUSY = sample_of(reading(utilization_gpu_percent=4)), sample_of(reading(utilization_gpu_percent=5))
UNKNOWN = sample_of(reading())
ENCODES = sample_of(reading(utilization_gpu_percent=0, engines_encoder_percent=30))
DECODES = sample_of(reading(utilization_gpu_percent=0, engines_decoder_percent=5))
NEVER_REPORTED = Unknown(
    Reason.FAILED, "nvmlDeviceGetEncoderUtilization", "NVML_ERROR_UNKNOWN", "Unknown Error", 0.0, False
)
NO_VIDEO, MAY_ENCODE = (
    sample_of(reading(utilization_gpu_percent=0, unknown={"engines.encoder_percent": why}))
    for why in (NEVER_REPORTED, replace(NEVER_REPORTED, reported_before=True))
)
LOST, RELEASED, ASLEEP = (
    GpuSample(0, state, lasting=reading()) for state in (GpuState.LOST, GpuState.STARTING, GpuState.ASLEEP)
)


@pytest.mark.parametrize(
    ("samples", "since"),
    [
        pytest.param([IDLE, IDLE, IDLE], [0, 0, 0], id="from the first sample on"),
        pytest.param([BUSY, IDLE, IDLE], [None, 10, 10], id="from the end of the work on"),
        pytest.param([IDLE, BUSY, IDLE], [0, None, 20], id="work starts it again"),
        pytest.param([IDLE, ENCODES, IDLE], [0, None, 20], id="a video is encoded without a kernel"),
        pytest.param([IDLE, DECODES, IDLE], [0, None, 20], id="or decoded"),
        pytest.param([IDLE, UNKNOWN, IDLE], [0, None, 20], id="unknown values may be work"),
        pytest.param([IDLE, MAY_ENCODE, IDLE], [0, None, 20], id="an engine that fails may work"),
        pytest.param([IDLE, NO_VIDEO, IDLE], [0, 0, 0], id="an engine is never reported"),
        pytest.param([IDLE, LOST, IDLE], [0, 0, 0], id="a reading may fail"),
        pytest.param([IDLE, *[LOST] * 3, IDLE], [0, 0, 0, 0, 40], id="an unread GPU may have worked"),
        pytest.param([IDLE, ASLEEP, IDLE], [0, 0, 0], id="a GPU that is asleep runs nothing"),
        pytest.param(
            [BUSY, ASLEEP, IDLE], [None, 10, 10], id="a GPU that is found asleep is idle since then"
        ),
        pytest.param(
            [IDLE, RELEASED, ASLEEP, IDLE],
            [0, 0, 0, 0],
            id="the GPU falls asleep after the agent has released it",
        ),
        pytest.param(
            [IDLE, RELEASED, BUSY, IDLE],
            [0, 0, None, 30],
            id="the GPU works after the agent has released it",
        ),
        pytest.param(
            [IDLE, *[RELEASED] * 3, IDLE],
            [0, 0, 0, 0, 40],
            id="the GPU may have worked after the agent has released it",
        ),
    ],
)
def test_a_gpu_is_idle_since_the_first_of_its_idle_samples(
    samples: list[GpuSample], since: list[float | None]
) -> None:
    idleness, reported = ConditionTimer(MAX_GAP), []
    for n, one in enumerate(samples):
        idleness.add(gpu_is_idle(one), 10.0 * n)
        reported.append(idleness.since)
    assert reported == since
