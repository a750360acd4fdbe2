"""The state that all requests of one agent share: converted settings, limits, the JSON of a Snapshot."""

from __future__ import annotations

import pytest

from agent.http.errors import TryAgainLater
from agent.http.shared_state import SharedState
from agent.readings import Snapshot
from tests.support.agents import settings

pytestmark = pytest.mark.anyio


async def test_idle_holder_minutes_are_converted_to_seconds() -> None:
    assert SharedState(settings(IDLE_HOLDER_MINUTES="15")).idle_holder_seconds == 900


async def test_there_is_no_history_if_history_interval_is_0() -> None:
    assert SharedState(settings(HISTORY_INTERVAL="0")).history is None
    assert SharedState(settings(HISTORY_INTERVAL="10")).history is not None


async def test_one_long_answer_is_compressed_at_a_time_and_one_of_history_in_addition() -> None:
    shared = SharedState(settings())
    history, others = shared.limiter_of("/history"), shared.limiter_of("/metrics")

    assert history is shared.history_queue.limiter is not others is shared.limiter_of("/gpu")
    assert (history.total_tokens, others.total_tokens) == (1, 1)


async def test_only_the_json_of_the_newest_snapshot_is_kept() -> None:
    shared = SharedState(settings())
    old, new = Snapshot(1.0, 1.0), Snapshot(2.0, 2.0)
    first = shared.json_of(old)

    assert shared.json_of(old) is first
    newest = shared.json_of(new)
    assert shared.json_of(old) is not first
    assert shared.json_of(new) is newest


async def test_at_most_max_streams_are_open() -> None:
    shared = SharedState(settings(MAX_STREAMS="2"))

    with shared.stream():
        with shared.stream(), pytest.raises(TryAgainLater, match="All 2 streams are taken"), shared.stream():
            pass
        assert shared.open_streams == 1
    assert shared.open_streams == 0
