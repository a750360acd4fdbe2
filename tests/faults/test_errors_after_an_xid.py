"""After an XID about memory the error counts are read at once; otherwise twice a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.derive.health import examine
from tests.faults.test_clock import watched

if TYPE_CHECKING:
    from agent.readings import Snapshot

pytestmark = pytest.mark.anyio


def names(snapshot: Snapshot) -> set[str]:
    return {finding.name for finding in examine(snapshot)[0].findings}


async def test_the_counts_of_a_memory_error_are_reported_with_its_xid() -> None:
    with watched() as world:
        await world.sample()
        world.simulation.gpus[0].error_counters.uncorrected_volatile = 2
        world.report(48)

        assert names(await world.sample(1)) >= {"xid_48", "ecc_uncorrected"}


async def test_other_xids_and_other_gpus_do_not_change_the_pace() -> None:
    with watched() as world:
        await world.sample()
        for gpu in world.simulation.gpus:
            gpu.error_counters.uncorrected_volatile = 2
        world.report(31)
        calls = world.simulation.calls["nvmlDeviceGetTotalEccErrors"]

        assert "ecc_uncorrected" not in names(await world.sample(1))
        assert world.simulation.calls["nvmlDeviceGetTotalEccErrors"] == calls
        world.report(63)
        snapshot = await world.sample(1)
        assert [gpu.values.memory_errors.uncorrected_volatile for gpu in snapshot.gpus] == [2, 0]
        assert world.simulation.calls["nvmlDeviceGetTotalEccErrors"] == calls + 4
        await world.sample(1)
        assert world.simulation.calls["nvmlDeviceGetTotalEccErrors"] == calls + 4
