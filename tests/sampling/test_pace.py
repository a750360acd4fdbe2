"""When the next sample is due."""

from __future__ import annotations

import pytest

from agent.sampling.pace import Pace, is_due, next_due, release_after

NEVER = float("-inf")


@pytest.mark.parametrize(
    ("expected", "history", "streams", "last_tick", "polled_at"),
    [
        pytest.param(None, 0, [], 100, NEVER, id="no viewer, no history: no sample"),
        pytest.param(10, 10, [], 100, NEVER, id="no viewer: the pace of history"),
        pytest.param(1, 10, [], 100, 100, id="a poll: the sample interval"),
        pytest.param(1, 0, [], 102, 100, id="two seconds after a poll: still, for its third sample"),
        pytest.param(1, 0, [], 102.005, 100, id="the third sample is not lost to some milliseconds"),
        pytest.param(None, 0, [], 103, 100, id="three intervals after a poll: no more"),
        pytest.param(10, 10, [], 103, 100, id="three intervals after a poll: history again"),
        pytest.param(3600, 3600, [], 100, NEVER, id="no viewer: history, even if rare"),
        pytest.param(0.5, 10, [2, 0.5, 7], 100, NEVER, id="streams: the smallest interval"),
        pytest.param(1, 0, [30], 100, 100, id="a slow stream and a poll: the poll"),
        pytest.param(10, 10, [60], 100, NEVER, id="a stream slower than history: history"),
    ],
)
def test_the_next_sample_is_due_when_a_viewer_or_the_history_needs_it(
    expected: float | None, history: float, streams: list[float], last_tick: float, polled_at: float
) -> None:
    pace = Pace(sample_interval=1.0, history_interval=history)
    assert expected == pace.tick_interval(last_tick, streams, polled_at)


@pytest.mark.parametrize(("expected", "history"), [(30, 3600), (10, 10), (None, 0)])
def test_gpus_that_may_sleep_are_let_go_within_half_a_minute(expected: float | None, history: float) -> None:
    pace = Pace(sample_interval=1.0, history_interval=history)
    assert expected == pace.tick_interval(100.0, [], NEVER, gpus_may_sleep=True)


@pytest.mark.parametrize(("gpus_may_sleep", "seconds"), [(False, 60), (True, 30)])
def test_the_driver_is_released_after_a_minute_or_half_if_gpus_may_sleep(
    gpus_may_sleep: bool, seconds: float
) -> None:
    assert release_after(gpus_may_sleep=gpus_may_sleep) == seconds


@pytest.mark.parametrize(("taken", "expected"), [(9.74, False), (9.75, True), (10.0, True)])
def test_a_snapshot_is_due_from_half_a_tick_before(taken: float, expected: bool) -> None:
    assert is_due(10.0, taken, tick_interval=0.5) is expected


def test_a_scrape_every_fifteen_seconds_takes_four_samples() -> None:
    """Its own sample and three after it, in case another poll follows."""
    pace = Pace(sample_interval=1.0, history_interval=0)
    ticks = [100.0]
    while (interval := pace.tick_interval(ticks[-1], [], polled_at=100.0)) is not None:
        ticks.append(ticks[-1] + interval)
    assert ticks == [100.0, 101.0, 102.0, 103.0]


@pytest.mark.parametrize(
    ("interval", "tick_interval"),
    [(0.5, 0.5), (1.0, 0.5), (2.0, 0.5), (7.0, 0.5), (7.0, 1.0), (1.0, 0.7), (60.0, 7.0)],
    ids=lambda value: f"{value:g} s",
)
def test_a_stream_keeps_its_own_pace_at_any_sample_interval(interval: float, tick_interval: float) -> None:
    """In ten minutes it has the number of events of its interval, each at most half a tick off."""
    ticks = [tick_interval * number for number in range(int(600 / tick_interval) + 2)]
    due, sent = interval, [0.0]
    for taken in ticks[1:]:
        if is_due(due, taken, tick_interval):
            sent.append(taken)
            due = next_due(due, taken, interval)
    expected = [interval * number for number in range(len(sent))]
    assert abs(len(sent) - 1 - 600 / interval) <= 1
    assert (
        max(abs(at - wanted) for at, wanted in zip(sent, expected, strict=True)) <= tick_interval / 2 + 1e-6
    )


def test_a_reader_that_fell_behind_starts_a_new_grid_instead_of_a_burst() -> None:
    assert next_due(due=10.0, taken=37.2, interval=1.0) == 38.2
    assert next_due(due=10.0, taken=11.0, interval=1.0) == 12.0, "a whole interval late"


def test_a_delay_of_milliseconds_does_not_move_the_grid() -> None:
    assert next_due(due=10.0, taken=10.003, interval=1.0) == 11.0
