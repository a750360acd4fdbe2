"""GPUs that may sleep, with every answer and failure of the kernel."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from agent.readings import DriverReading, GpuState, ProcessType, RuntimePower, SourceError
from agent.sampling.collector import Collector
from agent.sampling.ledger import Ledger
from agent.sampling.sleep import Sleep
from agent.sampling.sleep_policy import CHECK_PACE, SLEEP_AFTER
from agent.sampling.workers import Workers
from tests.support.agents import wait_until
from tests.support.readings import reading
from tests.support.sources import FakeHardware, Valve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.readings import Snapshot

pytestmark = pytest.mark.anyio

BUS_ID = "00000000:01:00.0"
AWAKE, ASLEEP = RuntimePower((BUS_ID,), False), RuntimePower((BUS_ID,), True)


class Kernel:
    """Reports whether the GPU sleeps; hangs while its valve is closed."""

    def __init__(self, power: RuntimePower | None) -> None:
        self.power = power
        self.error: str | None = None
        self.valve = Valve()

    def read(self) -> RuntimePower | None:
        self.valve.pass_through()
        if self.error:
            raise SourceError(self.error)
        return self.power


class Laptop:
    """One GPU, its collector, and a manual clock, which stands still while the laptop is suspended."""

    def __init__(self, power: RuntimePower | None) -> None:
        self.kernel = Kernel(power)
        self.hardware = FakeHardware(1)
        self.shift = 0.0
        self.suspended = 0.0  # seconds
        self.hardware.clock = self.since_boot
        self.collector = Collector(
            self.hardware.driver,
            self.hardware.open_gpu,
            self.hardware.host,
            self.hardware.processes,
            sample_interval=1.0,
            sample_timeout=2.0,
            runtime_power=self.kernel,
            ledger=Ledger(sample_interval=1.0, history_interval=10.0),
            clock=self.clock,
            now=self.since_boot,
            since_boot=self.since_boot,
        )

    def clock(self) -> float:
        self.shift += 2**-20  # so that one call is later than another
        return 1000.0 + self.shift

    def since_boot(self) -> float:
        return self.clock() + self.suspended

    async def after(self, seconds: float, *, watched: bool = True) -> Snapshot:
        self.shift += seconds
        return await self.collector.collect(watched=watched)

    async def releases(self) -> int:
        """How often the driver was released, after one more round, in which no earlier call still runs.

        A round releases nothing while a call runs, as on a machine that stood still meanwhile.
        """
        self._wait_for_calls()
        await self.collector.collect(watched=False)
        self._wait_for_calls()
        return self.hardware.driver.releases

    def _wait_for_calls(self) -> None:
        contact = self.collector._contact  # noqa: SLF001
        wait_until(lambda: not contact.some_are_busy, "the driver has answered")

    async def idle_since(self, *, after: float, watched: bool = True) -> float | None:
        """Since when the GPU is idle, as is known `after` seconds from now."""
        ledger = (await self.after(after, watched=watched)).ledger
        return next(iter(ledger.idle_since.values()), None) if ledger else None


@asynccontextmanager
async def laptop(power: RuntimePower | None) -> AsyncIterator[Laptop]:
    one = Laptop(power)
    try:
        yield one
    finally:
        one.kernel.valve.open()
        one.hardware.open_all_valves()
        assert one.collector.close()


def state(snapshot: Snapshot) -> GpuState:
    (gpu,) = snapshot.gpus
    return gpu.state


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "agent.sampling.sleep"]


async def test_a_late_first_read_of_the_kernel_wakes_no_gpu() -> None:
    async with laptop(ASLEEP) as one:
        one.kernel.valve.close()
        assert (await one.after(0)).gpus == ()
        one.kernel.valve.open()
        assert state(await one.after(1)) is GpuState.ASLEEP
        assert one.hardware.driver.reads == 0


async def test_if_the_kernel_never_answers_the_gpus_are_read() -> None:
    async with laptop(None) as one:
        one.kernel.valve.close()
        await one.after(0)
        assert state(await one.after(2.5)) is GpuState.OK


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_kernel_that_stops_answering_makes_sleep_unknown_and_is_logged_once(
    hangs: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with laptop(ASLEEP) as one:
        assert state(await one.after(0)) is GpuState.ASLEEP
        if hangs:
            one.kernel.valve.close()
        else:
            one.kernel.error = "The runtime power of the GPUs cannot be read: Input/output error"
        assert state(await one.after(1)) is GpuState.ASLEEP, "a single failed read does not count"
        for _ in range(2):
            (gpu,) = (await one.after(3)).gpus
            assert gpu.state is GpuState.STALE
            assert (gpu.error or "").startswith("Whether the GPU is asleep is unknown")
        (line,) = logged(caplog)
        assert line.endswith("(the read does not return)" if hangs else "Input/output error)")
        assert one.hardware.driver.reads == 0, "because that might wake it"
        one.kernel.error = None
        one.kernel.valve.open()
        wait_until(lambda: one.collector._sleep._worker.busy_since is None, "the read has returned")  # noqa: SLF001
        assert state(await one.after(1)) is GpuState.ASLEEP
        assert logged(caplog)[1:] == ["The kernel says again whether the GPUs are asleep"]


async def test_a_report_from_before_a_suspend_is_as_old_as_the_suspend_was_long() -> None:
    async with laptop(ASLEEP) as one:
        assert state(await one.after(0)) is GpuState.ASLEEP
        one.kernel.valve.close()
        one.suspended = 3600.0
        (gpu,) = (await one.after(1)).gpus
        assert (gpu.state, gpu.error) == (
            GpuState.STALE,
            "Whether the GPU is asleep is unknown: the kernel last reported it 3601 s ago",
        )
        assert one.hardware.driver.reads == 0, "because that might wake it"


async def test_awake_gpus_are_still_read_when_the_kernel_stops_answering() -> None:
    async with laptop(AWAKE) as one:
        await one.after(0)
        one.kernel.error = "The runtime power of the GPUs cannot be read: Input/output error"
        for _ in range(3):
            assert state(await one.after(4)) is GpuState.OK


async def test_the_permission_to_sleep_can_be_withdrawn_and_given_again() -> None:
    async with laptop(ASLEEP) as one:
        assert state(await one.after(0)) is GpuState.ASLEEP
        one.kernel.power = None
        assert state(await one.after(1)) is GpuState.OK
        one.kernel.power = ASLEEP
        assert state(await one.after(59.75)) is GpuState.OK
        assert state(await one.after(0.25)) is GpuState.ASLEEP
        assert await one.releases() == 1


def sleep_of(*read: str | None, known: DriverReading | None) -> Sleep:
    """The sleep of GPUs at the places A, B and C, of which NVML listed those that were `read`."""
    slots = [
        SimpleNamespace(last=name and reading(identity_uuid=name, identity_pci_bus_id=name), last_judged=None)
        for name in read
    ]
    contact: Any = SimpleNamespace(gpus=slots, reading=known, is_made=False)
    sleep = Sleep(None, contact, Workers(2.0, lambda: 1000.0), stale_after=3.0, since_boot=lambda: 10.0)
    sleep._power = RuntimePower(("A", "B", "C"), are_suspended=True)  # noqa: SLF001  (as the kernel reported it)
    return sleep


@pytest.mark.parametrize(
    ("read", "known", "count", "expected"),
    [
        pytest.param(
            (None, "B", "D"),
            None,
            3,
            [("A", GpuState.ASLEEP), ("B", GpuState.ASLEEP), ("D", GpuState.LOST), ("C", GpuState.ASLEEP)],
            id="one never read, one still there, one unplugged, one new",
        ),
        pytest.param(
            ("B",),
            DriverReading(1, pci_bus_ids=("A", "B")),
            2,
            [("B", GpuState.ASLEEP), ("C", GpuState.ASLEEP)],
            id="one that NVML does not list, and a new one",
        ),
        pytest.param(
            ("C", None),
            DriverReading(2, pci_bus_ids=("B", "C")),
            3,
            [("C", GpuState.ASLEEP), ("B", GpuState.ASLEEP), ("A", GpuState.ASLEEP)],
            id="one never read is at a known place, not at a new one",
        ),
        pytest.param((), DriverReading(0, pci_bus_ids=("A", "B", "C")), 0, [], id="NVML lists none"),
        pytest.param((), None, 3, [(name, GpuState.ASLEEP) for name in "ABC"], id="NVML was never asked"),
    ],
)
async def test_sleeping_gpus_are_identified_by_their_bus_ids(
    read: tuple[str | None, ...],
    known: DriverReading | None,
    count: int,
    expected: list[tuple[str, GpuState]],
) -> None:
    sleep = sleep_of(*read, known=known)

    shown = sleep.sleeping((), since_boot=10.0, booted_at=0.0)

    assert shown is not None
    assert (shown[0].gpu_count, shown[0].pci_bus_ids) == (count, ("A", "B", "C"))
    assert [(gpu.identity.pci_bus_id, gpu.state) for gpu in shown[1]] == expected
    assert sleep._workers.close()  # noqa: SLF001


@pytest.mark.parametrize("power", [ASLEEP, None], ids=["asleep", "unknown"])
@pytest.mark.parametrize(
    ("error", "before"), [(None, GpuState.OK), ("The GPU is lost", GpuState.LOST)], ids=["read", "refused"]
)
async def test_a_gpu_that_falls_asleep_was_so_before(
    power: RuntimePower | None, error: str | None, before: GpuState
) -> None:
    async with laptop(AWAKE) as one:
        await one.after(0)
        one.hardware.gpus[0].error = error
        last = await one.after(1)
        one.kernel.power = ASLEEP
        await one.after(1)
        if power is None:
            one.kernel.error = "The runtime power of the GPUs cannot be read: Input/output error"
        (gpu,) = (await one.after(4)).gpus
        assert (gpu.state, gpu.reading) == (GpuState.ASLEEP if power else GpuState.STALE, None)
        assert gpu.before is not None
        assert (gpu.before.state, gpu.before.error) == (before, error)
        assert gpu.before.reading == last.gpus[0].reading


async def test_a_call_that_does_not_return_is_stuck_also_on_a_gpu_that_is_asleep() -> None:
    async with laptop(AWAKE) as one:
        await one.after(0)
        one.hardware.gpus[0].valve.close()
        await one.after(1)
        one.kernel.power = ASLEEP
        assert state(await one.after(1)) is GpuState.ASLEEP
        assert state(await one.after(2)) is GpuState.STUCK


async def test_an_idle_gpu_is_let_go_in_the_same_round_as_the_look_at_it() -> None:
    async with laptop(AWAKE) as one:
        await one.after(0)
        one.hardware.gpus[0].gpu_percent = 0
        assert state(await one.after(1)) is GpuState.OK
        await one.after(SLEEP_AFTER, watched=False)
        assert await one.releases() == 1
        looked = await one.after(CHECK_PACE, watched=False)
        assert state(looked) is GpuState.OK
        wait_until(lambda: one.hardware.driver.releases == 2, "the driver is released")
        (gpu,) = (await one.after(1, watched=False)).gpus
        assert (gpu.state, gpu.error) == (
            GpuState.STARTING,
            "The GPU has not been read since the driver was let go, while nobody looked",
        )


async def test_a_gpu_that_slept_meanwhile_has_been_idle_since_before() -> None:
    async with laptop(AWAKE) as one:
        await one.after(0)
        one.hardware.gpus[0].gpu_percent = 0
        idle_since = await one.idle_since(after=1)
        assert idle_since is not None
        await one.idle_since(after=20, watched=False)
        assert await one.idle_since(after=10, watched=False) is None, "it is let go"
        one.kernel.power = ASLEEP
        for _ in range(30):
            assert await one.idle_since(after=10, watched=False) is None, "nothing is shown of it"
        one.kernel.power = AWAKE
        assert await one.idle_since(after=10, watched=False) == idle_since
        assert await one.idle_since(after=CHECK_PACE, watched=False) == pytest.approx(
            idle_since + 340 + CHECK_PACE, abs=1
        ), "awake and not read, it may have worked"


@pytest.mark.parametrize(("kind", "releases"), [(ProcessType.GRAPHICS, 1), (ProcessType.COMPUTE, 0)])
async def test_an_idle_display_server_keeps_no_gpu_awake(kind: ProcessType, releases: int) -> None:
    async with laptop(AWAKE) as one:
        await one.after(0)
        gpu = one.hardware.gpus[0]
        gpu.gpu_percent, gpu.pids, gpu.process_type = 0, (10,), kind
        await one.after(1)
        await one.after(SLEEP_AFTER, watched=False)
        assert await one.releases() == releases
