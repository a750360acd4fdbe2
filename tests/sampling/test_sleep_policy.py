"""When the agent lets GPUs sleep."""

from __future__ import annotations

import pytest

from agent.readings import RuntimePower
from agent.sampling.sleep_policy import CHECK_PACE, SLEEP_AFTER, Round, SleepPolicy

AWAKE, ASLEEP = RuntimePower(("00000000:01:00.0",), False), RuntimePower(("00000000:01:00.0",), True)


def rounds(*, power: RuntimePower | None, is_held: bool, is_idle: bool, after: float) -> Round:
    """What an unwatched round does, `after` seconds from the last watched round."""
    sleep_policy = SleepPolicy()
    sleep_policy.decide(AWAKE, 100.0, watched=True, is_held=True, is_idle=True)
    return sleep_policy.decide(power, 100.0 + after, watched=False, is_held=is_held, is_idle=is_idle)


@pytest.mark.parametrize(
    ("expected", "power", "is_held", "is_idle", "after"),
    [
        pytest.param(Round.SAMPLE, None, True, True, 1e6, id="a server is always sampled"),
        pytest.param(Round.SAMPLE, AWAKE, True, True, SLEEP_AFTER - 1, id="watched until just now"),
        pytest.param(Round.RELEASE, AWAKE, True, True, SLEEP_AFTER, id="unwatched and idle"),
        pytest.param(Round.SAMPLE, AWAKE, True, False, SLEEP_AFTER, id="unwatched and busy"),
        pytest.param(Round.REST, AWAKE, False, False, SLEEP_AFTER, id="others keep it awake"),
        pytest.param(Round.CHECK, AWAKE, False, False, CHECK_PACE, id="a look every five minutes"),
        pytest.param(Round.REST, ASLEEP, False, False, CHECK_PACE, id="no look while it sleeps"),
        pytest.param(Round.RELEASE, ASLEEP, True, False, 0, id="asleep and still held"),
    ],
)
def test_each_round_samples_rests_looks_or_lets_the_gpu_go(
    expected: Round, power: RuntimePower | None, is_held: bool, is_idle: bool, after: float
) -> None:
    assert rounds(power=power, is_held=is_held, is_idle=is_idle, after=after) is expected


def test_a_viewer_does_not_wake_a_gpu_and_sees_it_once_it_is_awake() -> None:
    sleep_policy = SleepPolicy()

    assert sleep_policy.decide(ASLEEP, 0.0, watched=True, is_held=False, is_idle=False) is Round.REST
    assert sleep_policy.decide(AWAKE, 1.0, watched=True, is_held=False, is_idle=False) is Round.SAMPLE


def test_an_idle_gpu_is_let_go_after_30_seconds_and_looked_at_every_five_minutes() -> None:
    sleep_policy = SleepPolicy()
    sleep_policy.decide(AWAKE, 0.0, watched=True, is_held=True, is_idle=True)
    is_held, rounds_taken = True, []
    for now in range(10, 700, 10):
        todo = sleep_policy.decide(AWAKE, float(now), watched=False, is_held=is_held, is_idle=True)
        is_held = todo is Round.SAMPLE  # after a look the GPU is let go in the same round
        if todo is not Round.REST:
            rounds_taken.append((now, todo))

    assert rounds_taken == [
        (10, Round.SAMPLE),
        (20, Round.SAMPLE),
        (30, Round.RELEASE),
        (320, Round.CHECK),
        (620, Round.CHECK),
    ]
