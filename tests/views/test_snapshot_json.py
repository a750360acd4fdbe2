"""The events of one Snapshot are made once for all streams, and kept up to a maximum size."""

from __future__ import annotations

import pytest

from agent.derive.activity import Thresholds
from agent.views.snapshot_json import SnapshotJson
from tests.views.samples import HEALTHY, snapshot

HALF = bytes(16 * 1024**2)  # of the 32 MiB that events may take


@pytest.fixture
def made() -> SnapshotJson:
    return SnapshotJson(snapshot(HEALTHY), Thresholds(), 900)


def test_all_streams_of_the_same_gpus_get_the_event_that_was_made_first(made: SnapshotJson) -> None:
    first, second = b"data: 1", b"data: 2"

    assert made.event(None) is None
    assert made.keep_event(None, first) is first
    assert made.keep_event(None, second) is made.event(None) is first
    assert made.event(frozenset({0})) is None


def test_events_are_kept_up_to_a_total_of_32_mib(made: SnapshotJson) -> None:
    for gpu in (0, 1):
        assert made.keep_event(frozenset({gpu}), HALF) is HALF
        assert made.event(frozenset({gpu})) is HALF
    assert made.keep_event(None, HALF) is HALF
    assert made.keep_event(frozenset({2}), b"x") == b"x"
    assert (made.event(None), made.event(frozenset({2}))) == (None, None)
