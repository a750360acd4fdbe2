"""The repairs that are pending for a GPU."""

from __future__ import annotations

import pytest

from agent.simulation.error_counters import ErrorCounters
from tests.sources.one_gpu import one_gpu


@pytest.mark.parametrize(("channel", "tpc"), [(True, False), (False, True)])
def test_a_pending_repair_is_known_at_once_after_an_error(channel: bool, tpc: bool) -> None:
    with one_gpu() as one:
        before = one.read().recovery
        one.gpu.error_counters = ErrorCounters(
            channel_repair_pending=int(channel), tpc_repair_pending=int(tpc)
        )
        after = one.source.read_with_fresh_errors().recovery

    assert (before.channel_repair_pending, before.tpc_repair_pending) == (False, False)
    assert (after.channel_repair_pending, after.tpc_repair_pending) == (channel, tpc)
