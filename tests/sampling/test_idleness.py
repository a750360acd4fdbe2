"""Since when a GPU has been idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.sampling.idleness import Idleness
from tests.support.readings import reading

if TYPE_CHECKING:
    from agent.readings import GpuReading

IDLE, BUSY = reading(utilization_gpu_percent=4), reading(utilization_gpu_percent=5)
UNKNOWN = reading()
ENCODES = reading(utilization_gpu_percent=0, engines_encoder_percent=30)
DECODES = reading(utilization_gpu_percent=0, engines_decoder_percent=5)


@pytest.mark.parametrize(
    ("readings", "since"),
    [
        pytest.param([IDLE, IDLE, IDLE], [0, 0, 0], id="from the first sample on"),
        pytest.param([BUSY, IDLE, IDLE], [None, 10, 10], id="from the end of the work on"),
        pytest.param([IDLE, BUSY, IDLE], [0, None, 20], id="work starts it again"),
        pytest.param([IDLE, ENCODES, IDLE], [0, None, 20], id="a video is encoded without a kernel"),
        pytest.param([IDLE, DECODES, IDLE], [0, None, 20], id="or decoded"),
        pytest.param([IDLE, UNKNOWN, IDLE], [0, None, 20], id="unknown values may be work"),
        pytest.param([IDLE, None, IDLE], [0, None, 20], id="a failed reading may be work"),
    ],
)
def test_a_gpu_is_idle_since_the_first_of_its_idle_samples(
    readings: list[GpuReading | None], since: list[float | None]
) -> None:
    idleness = Idleness()
    seen = [idleness.add(one, 10.0 * n, is_continued=n > 0) for n, one in enumerate(readings)]
    assert seen == since


def test_a_time_without_samples_does_not_count_as_idle() -> None:
    idleness = Idleness()
    idleness.add(IDLE, 0.0, is_continued=False)
    assert idleness.add(IDLE, 500.0, is_continued=False) == 500.0
