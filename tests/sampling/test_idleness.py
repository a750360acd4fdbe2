"""Since when a GPU has been idle."""

from __future__ import annotations

import pytest

from agent.readings import GpuReading, GpuSample, GpuState
from agent.sampling.idleness import Idleness
from tests.support.readings import reading

MAX_GAP = 30.0


def told(reading: GpuReading) -> GpuSample:
    return GpuSample(0, GpuState.OK, reading)


RESTS, WORKS = told(reading(utilization_gpu_percent=4)), told(reading(utilization_gpu_percent=5))
SILENT = told(reading())
ENCODES = told(reading(utilization_gpu_percent=0, engines_encoder_percent=30))
DECODES = told(reading(utilization_gpu_percent=0, engines_decoder_percent=5))
LOST, LET_GO, ASLEEP = (
    GpuSample(0, state, lasting=reading()) for state in (GpuState.LOST, GpuState.STARTING, GpuState.ASLEEP)
)


@pytest.mark.parametrize(
    ("samples", "since"),
    [
        pytest.param([RESTS, RESTS, RESTS], [0, 0, 0], id="from the first look on"),
        pytest.param([WORKS, RESTS, RESTS], [None, 10, 10], id="from the end of the work on"),
        pytest.param([RESTS, WORKS, RESTS], [0, None, 20], id="work begins it anew"),
        pytest.param([RESTS, ENCODES, RESTS], [0, None, 20], id="a video is encoded without a kernel"),
        pytest.param([RESTS, DECODES, RESTS], [0, None, 20], id="or decoded"),
        pytest.param([RESTS, SILENT, RESTS], [0, None, 20], id="what is not told may have been work"),
        pytest.param([RESTS, LOST, RESTS], [0, None, 20], id="so may what cannot be read"),
        pytest.param([RESTS, ASLEEP, RESTS], [0, 0, 0], id="while it is asleep it runs nothing"),
        pytest.param([WORKS, ASLEEP, RESTS], [None, 10, 10], id="and has been idle since it was seen asleep"),
        pytest.param([RESTS, LET_GO, ASLEEP, RESTS], [0, None, 0, 0], id="it falls asleep once it is let go"),
        pytest.param([RESTS, LET_GO, WORKS, RESTS], [0, None, None, 30], id="or works again"),
        pytest.param([RESTS, *[LET_GO] * 3, RESTS], [0, *[None] * 3, 40], id="let go for long, it may have"),
    ],
)
def test_a_gpu_is_idle_since_it_was_known_to_be(samples: list[GpuSample], since: list[float | None]) -> None:
    idleness = Idleness(MAX_GAP)
    seen = [idleness.add(one, at=10.0 * n, now=500 + 10.0 * n) for n, one in enumerate(samples)]
    assert seen == since


def test_nothing_is_known_of_a_time_without_samples() -> None:
    idleness = Idleness(MAX_GAP)
    idleness.add(RESTS, at=0.0, now=500.0)
    assert idleness.add(RESTS, at=MAX_GAP, now=500.0 + MAX_GAP) == 0.0
    assert idleness.add(RESTS, at=500.0, now=1000.0) == 500.0


def test_a_computer_that_slept_ran_nothing() -> None:
    """The clock of the time since boot goes on meanwhile, the monotonic one stands still."""
    idleness = Idleness(MAX_GAP)
    idleness.add(RESTS, at=0.0, now=500.0)
    assert idleness.add(RESTS, at=9000.0, now=510.0) == 0.0


def test_a_gpu_that_is_not_in_a_snapshot_may_have_worked() -> None:
    idleness = Idleness(MAX_GAP)
    idleness.add(RESTS, at=0.0, now=500.0)
    idleness.forget()
    assert idleness.add(RESTS, at=10.0, now=510.0) == 10.0
