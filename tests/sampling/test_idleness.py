"""Since when a GPU has been idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.sampling.idleness import Idleness
from tests.support.readings import reading

if TYPE_CHECKING:
    from agent.readings import GpuReading

RESTS, WORKS = reading(utilization_gpu_percent=4), reading(utilization_gpu_percent=5)
SILENT = reading()
ENCODES = reading(utilization_gpu_percent=0, engines_encoder_percent=30)
DECODES = reading(utilization_gpu_percent=0, engines_decoder_percent=5)


@pytest.mark.parametrize(
    ("readings", "since"),
    [
        pytest.param([RESTS, RESTS, RESTS], [0, 0, 0], id="from the first look on"),
        pytest.param([WORKS, RESTS, RESTS], [None, 10, 10], id="from the end of the work on"),
        pytest.param([RESTS, WORKS, RESTS], [0, None, 20], id="work begins it anew"),
        pytest.param([RESTS, ENCODES, RESTS], [0, None, 20], id="a video is encoded without a kernel"),
        pytest.param([RESTS, DECODES, RESTS], [0, None, 20], id="or decoded"),
        pytest.param([RESTS, SILENT, RESTS], [0, None, 20], id="what is not told may have been work"),
        pytest.param([RESTS, None, RESTS], [0, None, 20], id="so may what cannot be read"),
    ],
)
def test_a_gpu_is_idle_since_it_was_seen_to_be(
    readings: list[GpuReading | None], since: list[float | None]
) -> None:
    idleness = Idleness()
    seen = [idleness.add(one, 10.0 * n, is_continued=n > 0) for n, one in enumerate(readings)]
    assert seen == since


def test_nothing_is_known_of_a_time_without_samples() -> None:
    idleness = Idleness()
    idleness.add(RESTS, 0.0, is_continued=False)
    assert idleness.add(RESTS, 500.0, is_continued=False) == 500.0
