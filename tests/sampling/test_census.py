"""Missing GPUs, on the simulated NVML: counted again before the verdict, and found when they appear."""

from __future__ import annotations

import logging
import threading
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent.derive.findings import HealthVerdict
from agent.derive.host_health import examine_host
from agent.readings import GpuCensus, GpuState
from agent.sampling.census import Census
from agent.sampling.workers import Workers
from tests.sampling.missing_gpus import INIT, SHUTDOWN, collecting
from tests.support.sources import Valve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.readings import Snapshot

PATIENCE = 60.0
RECOUNT_PACE = 60.0
DRIVER_PACE = 5.0

pytestmark = pytest.mark.anyio


def names(snapshot: Snapshot) -> list[str]:
    return [finding.name for finding in examine_host(snapshot).findings]


def uuids(snapshot: Snapshot) -> list[str | None]:
    return [gpu.identity.uuid for gpu in snapshot.gpus]


def states(snapshot: Snapshot) -> set[GpuState]:
    return {gpu.state for gpu in snapshot.gpus}


class Alone:
    """A Census without the other parts, with a manual clock."""

    def __init__(self, expected: int, seen: int) -> None:
        self.now = 1000.0
        self.recounts = 0
        self.recounted: int | None = None
        self.valve = Valve()
        self.workers = Workers(1e6, lambda: self.now)
        self.census = Census(
            self.workers, self._recount, expected=expected, seen=seen, clock=lambda: self.now
        )

    async def count(self, gpus: int) -> None:
        """Let the driver count this many GPUs, and wait for the recount that this may cause."""
        self.census.follow(gpus)
        await self.workers.wait(self.census.workers, self.now + 10)

    def _recount(self) -> int | None:
        self.recounts += 1
        self.valve.pass_through()
        return self.recounted


@asynccontextmanager
async def alone(*, expected: int, seen: int = 0) -> AsyncIterator[Alone]:
    one = Alone(expected, seen)
    try:
        yield one
    finally:
        one.valve.open()
        assert one.workers.close()


async def test_a_complete_count_is_not_repeated_and_starts_no_thread() -> None:
    async with collecting(4, expected=4) as host:
        snapshot = await host.collector.collect()
        assert examine_host(snapshot).verdict is HealthVerdict.HEALTHY
        assert host.recounts == 0
        assert "recount" not in {thread.name for thread in threading.enumerate()}


async def test_a_gpu_missing_from_the_start_is_a_finding_and_the_others_are_sampled() -> None:
    async with collecting(4, 1, expected=4) as host:
        snapshot = await host.until_judged()
        assert names(snapshot) == ["gpus_missing"]
        assert uuids(snapshot) == [host.uuid(0), host.uuid(2), host.uuid(3)]
        host.hears(2)
        for _ in range(3):
            snapshot = await host.collector.collect()
            assert (names(snapshot), states(snapshot)) == (["gpus_missing"], {GpuState.OK})
        assert host.recounts == 1
        assert host.simulation.calls[INIT] == 1
        assert host.simulation.calls[SHUTDOWN] == 0, "the contact with the other GPUs is not renewed"


async def test_a_gpu_that_appears_after_nvml_started_is_not_reported_missing() -> None:
    """NVML keeps the count from its start: only a new contact finds the GPU."""
    async with collecting(4, 1, expected=4) as host:
        host.valve.close()
        snapshot = await host.collector.collect()
        assert len(snapshot.gpus) == 3
        assert examine_host(snapshot).verdict is None, "no verdict before the new contact"
        host.simulation.gpus[1].appear()
        assert len((await host.collector.collect()).gpus) == 3
        host.valve.open()
        snapshot = await host.until_judged()
        assert examine_host(snapshot).verdict is HealthVerdict.HEALTHY
        assert len(snapshot.gpus) == 4
        assert host.simulation.calls[INIT] == 2


async def test_a_gpu_that_appears_later_is_found_and_its_xids_are_received() -> None:
    async with collecting(4, 1, expected=4) as host:
        assert names(await host.until_judged()) == ["gpus_missing"]
        host.hears(3)
        host.simulation.gpus[1].appear()
        await host.collector.collect()
        assert host.recounts == 1, "not before the next recount"
        host.shift += RECOUNT_PACE
        snapshot = await host.until(lambda now: len(now.gpus) == 4 and states(now) == {GpuState.OK})
        assert examine_host(snapshot).verdict is HealthVerdict.HEALTHY
        assert uuids(snapshot) == [host.uuid(index) for index in range(4)], "each is at its index again"
        for index in range(4):
            host.hears(index)
        assert host.driver.event_sets == [0], "no thread waited for an XID while NVML was shut down"


async def test_a_gpu_that_disappears_with_a_driver_reload_is_a_warning_until_it_is_back() -> None:
    async with collecting(4) as host:
        assert examine_host(await host.until_judged()).verdict is HealthVerdict.HEALTHY
        host.simulation.gpus[3].vanish()
        snapshot = await host.collector.collect()
        assert examine_host(snapshot).verdict is HealthVerdict.HEALTHY, "lost, but listed"
        host.simulation.reload_driver()
        host.shift += DRIVER_PACE
        snapshot = await host.until(names)
        assert (names(snapshot), len(snapshot.gpus)) == (["gpus_gone"], 3)
        host.simulation.gpus[3].appear()
        host.shift += RECOUNT_PACE
        snapshot = await host.until(lambda now: len(now.gpus) == 4)
        assert examine_host(snapshot).verdict is HealthVerdict.HEALTHY


async def test_the_scenario_gone_shows_a_missing_gpu_that_appears_and_disappears_again() -> None:
    seconds = 1.0
    async with collecting(4, expected=4, scenario="gone", clock=lambda: seconds) as host:
        assert names(await host.until_judged()) == ["gpus_missing"]
        seconds = 1.0 + 46
        host.shift += RECOUNT_PACE
        snapshot = await host.until(lambda now: len(now.gpus) == 4 and states(now) == {GpuState.OK})
        assert examine_host(snapshot).verdict is HealthVerdict.HEALTHY
        seconds = 1.0 + 181
        host.shift += DRIVER_PACE
        snapshot = await host.until(names)
        assert (names(snapshot), len(snapshot.gpus)) == (["gpus_missing"], 3)


async def test_a_gpu_that_stays_missing_is_looked_for_less_and_less_often() -> None:
    async with alone(expected=2) as one:
        counted_at = []
        for _ in range(3_000):
            before = one.recounts
            await one.count(1)
            if one.recounts > before:
                counted_at.append(one.now)
            one.now += 1
        pauses = [after - before for before, after in pairwise(counted_at)]
        assert pauses == [60, 120, 240, 480, 960, 960]


@pytest.mark.parametrize(("recounted", "is_outdated"), [(None, False), (0, False), (1, True)])
async def test_a_count_of_no_gpus_is_outdated_if_a_new_process_counts_one(
    recounted: int | None, is_outdated: bool
) -> None:
    async with alone(expected=2) as one:
        one.recounted = recounted
        await one.count(0)
        assert one.recounts == 1
        assert one.census.is_outdated is is_outdated


@pytest.mark.parametrize(("expected", "judged_by"), [(0, 9), (4, 0)])
async def test_the_count_of_an_earlier_agent_matters_only_without_an_expected_number(
    expected: int, judged_by: int
) -> None:
    async with alone(expected=expected, seen=9) as one:
        assert one.census.reading == GpuCensus(expected, judged_by, is_confirmed=True)


async def test_a_low_count_is_judged_if_the_recount_fails() -> None:
    async with collecting(2, 1, expected=2) as host:
        host.recount_fails = True
        assert names(await host.until_judged()) == ["gpus_missing"]


async def test_each_recount_that_finds_more_gpus_causes_one_new_contact_even_if_in_vain() -> None:
    """A new process may see GPUs that this one never will. The other GPUs are read as before."""
    async with collecting(3, 1, expected=3) as host:
        host.recounted = 3
        assert names(await host.until_judged()) == ["gpus_missing"]
        for _ in range(5):
            snapshot = await host.collector.collect()
            assert (names(snapshot), states(snapshot)) == (["gpus_missing"], {GpuState.OK})
        assert (host.recounts, host.simulation.calls[SHUTDOWN]) == (1, 1)
        host.shift += RECOUNT_PACE
        await host.until(lambda _: host.simulation.calls[SHUTDOWN] == 2)
        assert names(await host.until_judged()) == ["gpus_missing"]
        assert host.recounts == 2


async def test_a_recount_from_before_another_loss_causes_no_new_contact() -> None:
    async with collecting(4, 1, expected=4, hears_xids=False) as host:
        host.valve.close()
        await host.collector.collect()
        host.recounted = 3  # of a host that still had three
        host.simulation.gpus[3].vanish()
        host.simulation.reload_driver()
        host.shift += DRIVER_PACE
        await host.until(lambda now: len(now.gpus) == 2)
        await host.until(lambda _: host.recounts == 1)
        contacts = host.simulation.calls[INIT]
        host.valve.open()
        host.waits_for_recount()
        host.recounted = None
        snapshot = await host.until_judged()
        assert (names(snapshot), len(snapshot.gpus), host.recounts) == (["gpus_missing"], 2, 2)
        assert host.simulation.calls[INIT] == contacts


async def test_a_hung_recount_delays_the_verdict_for_a_minute_and_nothing_else() -> None:
    async with collecting(2, 1, expected=2) as host:
        host.valve.close()
        snapshot = await host.collector.collect()
        assert (examine_host(snapshot).verdict, states(snapshot)) == (None, {GpuState.OK})
        host.shift += PATIENCE
        assert names(await host.until_judged()) == ["gpus_missing"]


async def test_a_hung_recount_is_waited_for_for_60_seconds() -> None:
    async with alone(expected=2) as one:
        one.valve.close()
        one.census.follow(1)
        one.now += 59.9
        assert not one.census.reading.is_confirmed
        one.now += 0.1
        assert one.census.reading.is_confirmed


async def test_a_new_contact_waits_for_a_hung_call_while_xids_are_still_received() -> None:
    async with collecting(3, 1, expected=3) as host:
        await host.until_judged()
        host.hears(2)  # else the thread of the XIDs could hang too
        host.simulation.gpus[2].hang()
        host.simulation.gpus[1].appear()
        await host.collector.collect()
        host.shift += RECOUNT_PACE
        await host.until(lambda _: host.recounts == 2)
        for _ in range(3):
            snapshot = await host.collector.collect()
        assert host.simulation.calls[SHUTDOWN] == 0
        assert [gpu.state for gpu in snapshot.gpus] == [GpuState.OK, GpuState.STUCK]
        host.hears(0)
        host.simulation.gpus[2].release()
        assert len((await host.until(lambda now: len(now.gpus) == 3)).gpus) == 3


async def test_the_log_has_one_line_for_a_missing_gpu_and_one_for_its_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="agent.sampling.change_log"):
        async with collecting(2, 1, expected=2) as host:
            await host.until_judged()
            for _ in range(3):
                await host.collector.collect()
            host.simulation.gpus[1].appear()
            host.shift += RECOUNT_PACE
            await host.until(lambda now: len(now.gpus) == 2 and states(now) == {GpuState.OK})
    lines = [record.getMessage().partition(";")[0] for record in caplog.records]
    assert lines == [
        "NVIDIA driver 580.95.05: 1 GPU",
        "1 of the 2 expected GPUs is missing",
        "NVIDIA driver 580.95.05: 2 GPUs",
        "The host is healthy again",
    ]
