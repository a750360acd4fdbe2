"""The state of a GPU, case by case."""

from __future__ import annotations

import pytest

from agent.readings import GpuIdentity, GpuReading, GpuState, Memory
from agent.sampling.states import Patience, judge_state
from agent.sampling.worker import ReadResult

IDENTITY = GpuIdentity(uuid="GPU-1", name="A GPU")
MEMORY = Memory(total_bytes=1024)
NOW = 1000.0  # seconds of the monotonic clock
SINCE_BOOT = 9000.0  # it has been suspended
PATIENCE = Patience(sample_interval=1.0, stale_after=3.0, sample_timeout=2.0)
BOOTED_AT = 1_700_000_000.0


def reading(age: float) -> GpuReading:
    return GpuReading(sampled_since_boot=SINCE_BOOT - age, identity=IDENTITY, memory=MEMORY)


def good(age: float) -> ReadResult[GpuReading | None]:
    return ReadResult(reading(age), None, NOW - age, seconds=0.05)


@pytest.mark.parametrize(
    ("state", "shows_values", "result", "last_age", "busy_for"),
    [
        pytest.param(GpuState.STARTING, False, None, None, None, id="never asked"),
        pytest.param(GpuState.STARTING, False, None, None, 1.9, id="first call is out"),
        pytest.param(GpuState.STUCK, False, None, None, 2.0, id="first call does not return"),
        pytest.param(GpuState.OK, True, good(0.0), 0.0, None, id="just read"),
        pytest.param(GpuState.OK, True, good(1.2), 1.2, 0.2, id="answer comes just too late for this round"),
        pytest.param(GpuState.STALE, True, good(2.1), 2.1, 1.0, id="over two intervals old"),
        pytest.param(GpuState.STALE, True, good(3.0), 3.0, 1.9, id="three intervals old: the last values"),
        pytest.param(GpuState.STALE, False, good(3.1), 3.1, 1.9, id="over three intervals old: no values"),
        pytest.param(GpuState.STUCK, False, good(2.0), 2.0, 2.0, id="call has not returned for the timeout"),
        pytest.param(GpuState.STUCK, False, good(900.0), 900.0, 899.0, id="stuck for long"),
        pytest.param(GpuState.LOST, False, ReadResult(None, "Gone", NOW), 5.0, None, id="the driver refuses"),
        pytest.param(
            GpuState.LOST, False, ReadResult(None, "Gone", NOW), None, None, id="refuses from the start"
        ),
        pytest.param(
            GpuState.STUCK, False, ReadResult(None, "Gone", NOW), 9.0, 2.5, id="lost, and now hangs"
        ),
    ],
)
def test_a_gpu_is_judged_by_its_last_answer_and_the_call_that_is_out(
    state: GpuState,
    shows_values: bool,
    result: ReadResult[GpuReading | None] | None,
    last_age: float | None,
    busy_for: float | None,
) -> None:
    sample = judge_state(
        3,
        result,
        None if busy_for is None else NOW - busy_for,
        None if last_age is None else reading(last_age),
        now=NOW,
        since_boot=SINCE_BOOT,
        booted_at=BOOTED_AT,
        patience=PATIENCE,
    )
    assert (sample.state, sample.reading is not None) == (state, shows_values)
    assert (sample.error is None) == shows_values, "whoever shows no values says why"
    assert sample.index == 3
    assert sample.seconds == (0.05 if shows_values else None)
    assert sample.age_ms == (None if last_age is None else pytest.approx(last_age * 1000, abs=1))


@pytest.mark.parametrize("busy_for", [None, 60.0], ids=["lost", "stuck"])
def test_identity_and_total_memory_of_a_gpu_outlive_its_values(busy_for: float | None) -> None:
    sample = judge_state(
        0,
        ReadResult(None, "Gone", NOW),
        None if busy_for is None else NOW - busy_for,
        reading(60.0),
        now=NOW,
        since_boot=SINCE_BOOT,
        booted_at=BOOTED_AT,
        patience=PATIENCE,
    )
    assert sample.identity == IDENTITY
    assert sample.values.memory == MEMORY
    assert (sample.sampled_at, sample.age_ms) == (BOOTED_AT + SINCE_BOOT - 60, 60_000)
