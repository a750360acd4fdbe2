"""When a new process tries the driver, and when its success ends the agent."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.sampling.collector import Collector
from agent.sampling.replaced_driver import WHY, ReplacedDriver
from agent.sampling.worker import ReadResult, Worker
from tests.support.agents import wait_until
from tests.support.sources import FakeHardware, Valve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PACE = 60.0  # seconds between two tries

pytestmark = pytest.mark.anyio

MISMATCH = pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
OTHERS = sorted(
    value for name, value in vars(pynvml).items() if name.startswith("NVML_ERROR_") and value != MISMATCH
)


class NewProcess:
    """A substitute for the new process; `works` is its result, once the valve is open."""

    def __init__(self) -> None:
        self.works = False  # its driver
        self.tries = 0
        self.valve = Valve()

    def __call__(self) -> int | None:
        self.tries += 1
        self.valve.pass_through()
        return 2 if self.works else None


class Agent:
    """A collector of two GPUs, its clock, and the reasons for which it would end."""

    def __init__(self) -> None:
        self.hardware = FakeHardware(2)
        self.new_process = NewProcess()
        self.restarts: list[str] = []
        self.shift = 0.0  # seconds by which the clock is ahead
        self.hardware.clock = lambda: time.monotonic() + self.shift
        self.collector = Collector(
            self.hardware.driver,
            self.hardware.open_gpu,
            self.hardware.host,
            self.hardware.processes,
            sample_interval=1.0,
            sample_timeout=60.0,
            replaced_driver=ReplacedDriver(self.new_process, self.restarts.append),
            clock=self.hardware.clock,
            since_boot=self.hardware.clock,
        )

    def refuse(self, code: int = MISMATCH) -> None:
        """Let the driver answer this from now on."""
        self.hardware.driver.error, self.hardware.driver.code = "It does not fit", code

    async def sample(self, seconds_later: float = 1.0) -> None:
        """One round, up to the end of the new process that it may start."""
        self.shift += seconds_later
        await self.collector.collect()
        if self.new_process.valve.is_open:
            worker = self.collector._driver_round._new_process  # noqa: SLF001  (its end is not visible outside)
            wait_until(lambda: worker.busy_since is None, "the new process has ended")


@asynccontextmanager
async def running_agent() -> AsyncIterator[Agent]:
    agent = Agent()
    try:
        yield agent
    finally:
        agent.new_process.valve.open()
        agent.hardware.open_all_valves()
        assert agent.collector.close(), "every worker ends"


def followed() -> tuple[ReplacedDriver, Worker[int | None], NewProcess, list[str]]:
    """A ReplacedDriver alone, which has tried once at second 10."""
    new_process, restarts = NewProcess(), list[str]()
    worker: Worker[int | None] = Worker("new process", lambda _: None, lambda: 10.0)
    driver = ReplacedDriver(new_process, restarts.append)
    driver.follow(worker, 10.0, 10.0)
    wait_until(lambda: worker.busy_since is None, "the new process has ended")
    return driver, worker, new_process, restarts


@pytest.mark.parametrize(("now", "tries"), [(69.9, 1), (70.0, 2)])
async def test_two_tries_are_a_minute_apart(now: float, tries: int) -> None:
    driver, worker, new_process, _ = followed()
    driver.follow(worker, now, now)
    worker.stop()
    worker.join(10)

    assert new_process.tries == tries


@pytest.mark.parametrize(
    ("started_at", "seconds", "mismatched_at", "is_replaced"),
    [
        (10.0, 5.0, 15.0, True),
        (9.9, 5.0, 15.0, False),  # before the library and the module were known to differ
        (10.0, 5.0, 14.9, False),  # before the new process had ended
        (10.0, None, 10.0, True),
        (10.0, None, 9.5, False),
    ],
)
async def test_only_a_failure_after_the_success_of_the_new_process_counts(
    started_at: float, seconds: float | None, mismatched_at: float, is_replaced: bool
) -> None:
    driver, worker, _, restarts = followed()
    worker.result = ReadResult(2, None, started_at, seconds)
    driver.follow(worker, mismatched_at, 20.0)
    worker.stop()

    assert restarts == [WHY] * is_replaced


async def test_a_new_process_is_tried_at_once_and_then_once_a_minute() -> None:
    async with running_agent() as agent:
        agent.refuse()
        await agent.sample()
        assert agent.new_process.tries == 1

        for _ in range(10 * int(PACE)):
            await agent.sample()

        assert 10 <= agent.new_process.tries <= 11
        assert agent.restarts == []


async def test_the_agent_ends_once_a_new_process_succeeds_and_this_process_fails_after_it() -> None:
    async with running_agent() as agent:
        agent.refuse()
        agent.new_process.works = True
        await agent.sample()
        assert agent.restarts == [], "the module may have been replaced just now, for this process too"

        for _ in range(3):
            await agent.sample()

        assert agent.restarts == [WHY]
        assert agent.new_process.tries == 1


async def test_a_failure_from_before_the_success_of_the_new_process_does_not_count() -> None:
    async with running_agent() as agent:
        agent.refuse()
        agent.new_process.works = True
        await agent.sample()
        agent.hardware.driver.valve.close()
        await agent.sample()
        assert agent.restarts == [], "the driver call of this process has not returned yet"

        agent.hardware.driver.valve.open()
        for _ in range(3):
            await agent.sample()

        assert agent.restarts == [WHY]


async def test_the_agent_does_not_end_if_this_process_works_again_too() -> None:
    async with running_agent() as agent:
        agent.refuse()
        agent.new_process.works = True
        await agent.sample()
        agent.hardware.driver.error = None
        await agent.sample()
        assert agent.restarts == []

        agent.refuse()
        agent.new_process.works = False
        for _ in range(3):
            await agent.sample(seconds_later=PACE)

        assert agent.restarts == [], "the earlier success no longer counts"


async def test_a_driver_that_comes_and_goes_does_not_cause_more_tries() -> None:
    async with running_agent() as agent:
        for _ in range(5):
            agent.refuse()
            await agent.sample()
            agent.hardware.driver.error = None
            await agent.sample()

        assert agent.new_process.tries == 1


async def test_a_gpu_refused_for_a_mismatch_counts_like_the_driver() -> None:
    """Once NVML is initialised, it reports the number of GPUs without the kernel module."""
    async with running_agent() as agent:
        await agent.sample()
        agent.hardware.gpus[1].error, agent.hardware.gpus[1].code = "It does not fit", MISMATCH
        agent.new_process.works = True
        for _ in range(3):
            await agent.sample()

        assert agent.restarts == [WHY]


async def test_while_a_new_process_hangs_there_is_no_second_one_and_sampling_continues() -> None:
    async with running_agent() as agent:
        agent.refuse()
        agent.new_process.valve.close()
        reads = agent.hardware.driver.reads
        for _ in range(5):
            await agent.sample(seconds_later=PACE)

        await asyncio.to_thread(wait_until, lambda: agent.new_process.tries, "a new process is tried")
        assert agent.new_process.tries == 1
        assert agent.hardware.driver.reads >= reads + 5


@pytest.mark.parametrize("code", [None, *OTHERS])
async def test_no_other_refusal_of_the_driver_starts_a_process(code: int | None) -> None:
    async with running_agent() as agent:
        if code is not None:
            agent.refuse(code)
            await agent.sample()
            agent.hardware.driver.error = None
            await agent.sample()
            agent.hardware.gpus[0].error, agent.hardware.gpus[0].code = "No", code
        for _ in range(3):
            await agent.sample(seconds_later=PACE)

        assert agent.new_process.tries == 0
        assert agent.restarts == []
