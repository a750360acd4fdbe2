"""The state of a GPU, case by case."""

from __future__ import annotations

import pytest

from agent.readings import GpuIdentity, GpuReading, GpuSample, GpuState, Memory
from agent.sampling.states import DRIVER_RELEASED, NOT_YET, Patience, judge_state, unread
from agent.sampling.worker import ReadResult

IDENTITY = GpuIdentity(uuid="GPU-1", name="A GPU")
MEMORY = Memory(total_bytes=1024)
NOW = 1000.0  # seconds of the monotonic clock
SINCE_BOOT = 9000.0  # the machine was suspended
PATIENCE = Patience(sample_interval=1.0, stale_after=3.0, sample_timeout=2.0)
BOOTED_AT = 1_700_000_000.0


def reading(age: float) -> GpuReading:
    return GpuReading(sampled_since_boot=SINCE_BOOT - age, identity=IDENTITY, memory=MEMORY)


def good(age: float) -> ReadResult[GpuReading | None]:
    return ReadResult(reading(age), None, NOW - age, seconds=0.05)


def judged(
    result: ReadResult[GpuReading | None] | None,
    last: GpuReading | None,
    *,
    index: int = 0,
    busy_for: float | None = None,
    silent_for: float | None = None,
) -> GpuSample:
    """The GPU now, whose call has not returned for `busy_for` seconds; the driver's for `silent_for`."""
    return judge_state(
        index,
        result,
        None if busy_for is None else NOW - busy_for,
        last,
        now=NOW,
        since_boot=SINCE_BOOT,
        booted_at=BOOTED_AT,
        patience=PATIENCE,
        silent_since=None if silent_for is None else NOW - silent_for,
    )


@pytest.mark.parametrize(
    ("state", "shows_values", "result", "last_age", "busy_for"),
    [
        pytest.param(GpuState.STARTING, False, None, None, None, id="never read"),
        pytest.param(GpuState.STARTING, False, None, None, 1.9, id="first call in progress"),
        pytest.param(GpuState.STUCK, False, None, None, 2.0, id="first call does not return"),
        pytest.param(GpuState.OK, True, good(0.0), 0.0, None, id="just read"),
        pytest.param(GpuState.OK, True, good(1.2), 1.2, 0.2, id="answer comes just too late for this round"),
        pytest.param(GpuState.OK, True, good(2.0), 2.0, 1.0, id="two intervals old"),
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
def test_a_gpu_is_judged_by_its_last_answer_and_its_hung_call(
    state: GpuState,
    shows_values: bool,
    result: ReadResult[GpuReading | None] | None,
    last_age: float | None,
    busy_for: float | None,
) -> None:
    sample = judged(result, None if last_age is None else reading(last_age), index=3, busy_for=busy_for)
    assert (sample.state, sample.reading is not None) == (state, shows_values)
    assert (sample.error is None) == shows_values, "a GPU without values has an error"
    assert sample.index == 3
    assert sample.seconds == (0.05 if shows_values else None)
    assert sample.age_ms == (None if last_age is None else pytest.approx(last_age * 1000, abs=1))


@pytest.mark.parametrize(
    ("silent_for", "busy_for", "state", "error"),
    [
        pytest.param(1.9, None, GpuState.STARTING, DRIVER_RELEASED, id="contact is being made"),
        pytest.param(2.0, None, GpuState.STUCK, "The driver has not answered for 2 s", id="it hangs"),
        pytest.param(
            9.0, 3.0, GpuState.STUCK, "A driver call on this GPU has not returned for 3 s", id="both hang"
        ),
    ],
)
def test_a_released_gpu_is_stuck_with_the_driver(
    silent_for: float, busy_for: float | None, state: GpuState, error: str
) -> None:
    sample = judged(None, reading(60.0), busy_for=busy_for, silent_for=silent_for)
    assert (sample.state, sample.error) == (state, error)


@pytest.mark.parametrize(("age", "state"), [(8.0, GpuState.OK), (8.5, GpuState.STALE)])
def test_a_reading_is_late_after_two_sample_intervals(age: float, state: GpuState) -> None:
    rare = Patience(sample_interval=4.0, stale_after=12.0, sample_timeout=2.0)
    times = {"now": NOW, "since_boot": SINCE_BOOT, "booted_at": BOOTED_AT}

    assert judge_state(0, good(age), None, reading(age), **times, patience=rare).state is state


@pytest.mark.parametrize(("last", "error"), [(None, NOT_YET), (reading(60.0), DRIVER_RELEASED)])
def test_a_gpu_without_an_answer_was_never_read_or_was_released(last: GpuReading | None, error: str) -> None:
    assert judged(None, last).error == error


def test_values_of_a_failed_read_are_kept_beside_the_lasting_ones() -> None:
    errors = {("nvmlDeviceGetMemoryInfo", "NVML_ERROR_UNKNOWN"): 3}
    result: ReadResult[GpuReading | None] = ReadResult(
        None, "Gone", NOW, lasting=GpuReading(1.0, driver_errors=errors)
    )

    sample = judged(result, reading(60.0))

    assert (sample.values.driver_errors, sample.identity) == (errors, IDENTITY)


def test_a_gpu_that_is_not_read_has_the_age_of_its_last_reading() -> None:
    sample = unread(
        3, GpuState.ASLEEP, reading(60.5), bus_id=None, since_boot=SINCE_BOOT, booted_at=BOOTED_AT
    )

    assert sample == GpuSample(
        3,
        GpuState.ASLEEP,
        lasting=GpuReading(SINCE_BOOT - 60.5, identity=IDENTITY),
        sampled_at=BOOTED_AT + SINCE_BOOT - 60.5,
        age_ms=60_500,
    )


def test_a_gpu_that_was_never_read_has_its_bus_id() -> None:
    sample = unread(3, GpuState.ASLEEP, None, bus_id="A", since_boot=SINCE_BOOT, booted_at=BOOTED_AT)

    assert (sample.age_ms, sample.identity) == (None, GpuIdentity(pci_bus_id="A"))


@pytest.mark.parametrize("busy_for", [None, 60.0], ids=["lost", "stuck"])
def test_identity_and_total_memory_stay_known_without_current_values(busy_for: float | None) -> None:
    sample = judged(ReadResult(None, "Gone", NOW), reading(60.0), busy_for=busy_for)
    assert sample.identity == IDENTITY
    assert sample.values.memory == MEMORY
    assert (sample.sampled_at, sample.age_ms) == (BOOTED_AT + SINCE_BOOT - 60, 60_000)
