"""One GPU by its index: results of a contact, which are dropped with it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from agent.readings import (
    GpuIdentity,
    GpuProcess,
    GpuReading,
    GpuSample,
    GpuState,
    Power,
    ProcessType,
    SourceError,
    Utilization,
)
from agent.sampling.gpu_slot import GpuSlot
from agent.sampling.states import Patience
from agent.sampling.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = Patience(sample_interval=1.0, stale_after=3.0, sample_timeout=2.0)
BOOTED_AT = 1_700_000_000.0  # seconds since the epoch
PROCESS = GpuProcess(7, ProcessType.COMPUTE)


class Source:
    """A source that records its calls; a test sets its UUID and processes."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self.calls: list[str] = []
        self.uuid = "GPU-old"
        self.processes: tuple[GpuProcess, ...] | None = (PROCESS,)
        self.gpu_percent: int | None = None
        self.error: str | None = None
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def read(self, *, watched: bool = True) -> GpuReading:  # noqa: ARG002  (as the real one)
        self.calls.append("read")
        self.is_asked.set()
        assert self.may_answer.wait(10), "the test did not let the source answer"
        if self.error:
            raise SourceError(self.error)
        return GpuReading(
            self._slot.now,
            GpuIdentity(self.uuid, "A GPU"),
            processes=self.processes,
            utilization=Utilization(self.gpu_percent),
            power=Power(usage_watts=99.0),
        )

    def read_with_fresh_errors(self, *, watched: bool = True) -> GpuReading:
        self.calls.append("fresh errors")
        return self.read(watched=watched)

    def measure_slow_counters(self) -> None:
        pass

    def release(self, *, may_be_another: bool = False) -> None:
        self.calls.append("release: may be another" if may_be_another else "release")


class Slot:
    """A slot with a real worker and a manual clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self._answers = threading.Semaphore(0)
        self.worker: Worker[GpuReading | None] = Worker(
            "gpu", lambda _worker: self._answers.release(), lambda: self.now
        )
        self.source = Source(self)
        self.slot = GpuSlot(3, self.source, self.worker)

    def wait_for_answer(self) -> None:
        assert self._answers.acquire(timeout=10), "the worker did not answer"

    def read(self) -> None:
        self.slot.request()
        self.wait_for_answer()

    def leave_a_call_out(self) -> None:
        """Request a reading that returns once `may_answer` is set."""
        self.source.may_answer.clear()
        self.slot.request()
        assert self.source.is_asked.wait(10)

    def sample(self) -> GpuSample:
        return self.slot.judge_state(
            self.now,
            since_boot=self.now,
            booted_at=BOOTED_AT,
            patience=PATIENCE,
        )


@pytest.fixture
def slot() -> Iterator[Slot]:
    slot = Slot()
    yield slot
    slot.source.may_answer.set()
    slot.worker.stop()
    slot.worker.join(10)


def test_the_last_reading_is_shown(slot: Slot) -> None:
    slot.read()

    sample = slot.sample()

    assert (sample.index, sample.state, sample.identity.uuid) == (3, GpuState.OK, "GPU-old")
    assert slot.slot.processes == (PROCESS,)
    assert slot.slot.last is sample.reading


DISPLAY = GpuProcess(8, ProcessType.GRAPHICS)


@pytest.mark.parametrize(
    ("processes", "gpu_percent", "is_idle"),
    [
        pytest.param((), 0, True, id="no process"),
        pytest.param((DISPLAY,), 0, True, id="an idle display server"),
        pytest.param((DISPLAY, PROCESS), 0, False, id="a compute process at rest"),
        pytest.param((), 1, False, id="an unlisted process"),
        pytest.param((), None, False, id="unknown utilization"),
        pytest.param(None, 0, False, id="unknown processes"),
    ],
)
def test_a_gpu_without_compute_processes_and_utilization_is_idle(
    slot: Slot, processes: tuple[GpuProcess, ...] | None, gpu_percent: int | None, is_idle: bool
) -> None:
    assert not slot.slot.is_idle, "before the first answer"
    slot.source.processes, slot.source.gpu_percent = processes, gpu_percent
    slot.read()

    assert slot.slot.is_idle is is_idle


@pytest.mark.parametrize("processes", [None, ()], ids=["unknown", "none"])
def test_a_gpu_with_unknown_processes_has_no_processes_to_describe(
    slot: Slot, processes: tuple[GpuProcess, ...] | None
) -> None:
    assert slot.slot.processes == (), "before the first answer"
    slot.read()
    slot.source.processes = processes
    slot.read()
    assert slot.slot.processes == ()

    slot.source.processes = (PROCESS,)
    slot.read()
    slot.source.error = "Gone"
    slot.read()
    assert slot.slot.processes == (), "a lost GPU"


def test_a_lost_gpu_keeps_its_identity_and_the_age_of_its_last_reading(slot: Slot) -> None:
    slot.read()
    slot.sample()
    slot.source.error = "Gone"
    slot.now += 1.5
    slot.read()

    sample = slot.sample()

    assert (sample.state, sample.error, sample.reading) == (GpuState.LOST, "Gone", None)
    assert (sample.identity.uuid, sample.age_ms, sample.sampled_at) == (
        "GPU-old",
        1500,
        BOOTED_AT + slot.now - 1.5,
    )


def test_a_renewal_takes_effect_once_with_the_next_reading(slot: Slot) -> None:
    slot.read()
    slot.slot.renew(slot.now)
    assert slot.source.calls == ["read"], "not before the next request"

    slot.read()
    slot.read()

    assert slot.source.calls == ["read", "release: may be another", "read", "read"]


def test_a_renewal_during_a_hung_call_takes_effect_later(slot: Slot) -> None:
    slot.leave_a_call_out()
    slot.now += 1
    slot.slot.renew(slot.now)
    slot.slot.request()  # without effect: the call hangs
    slot.source.may_answer.set()
    slot.wait_for_answer()
    slot.now += 1

    slot.read()

    assert slot.source.calls == ["read", "release: may be another", "read"]


def test_a_renewal_drops_the_old_identity(slot: Slot) -> None:
    """This index may be another GPU now, which does not have the values of the old one."""
    slot.read()
    assert slot.sample().identity.uuid == "GPU-old"
    slot.now += 1
    slot.slot.renew(slot.now)

    sample = slot.sample()
    assert (sample.state, sample.identity, sample.reading) == (GpuState.STARTING, GpuIdentity(), None)
    assert (sample.age_ms, sample.sampled_at) == (None, None)
    assert slot.slot.result is None
    assert slot.slot.processes == ()

    slot.source.error = "No such GPU"
    slot.now += 1
    slot.read()
    assert (slot.sample().state, slot.sample().identity) == (GpuState.LOST, GpuIdentity())

    slot.source.error, slot.source.uuid = None, "GPU-new"
    slot.now += 1
    slot.read()
    assert (slot.sample().state, slot.sample().identity.uuid) == (GpuState.OK, "GPU-new")


def test_a_late_answer_of_the_old_contact_is_dropped(slot: Slot) -> None:
    slot.leave_a_call_out()
    slot.now += 1
    slot.slot.renew(slot.now)
    slot.source.may_answer.set()
    slot.wait_for_answer()

    assert slot.slot.result is None
    assert slot.sample().state is GpuState.STARTING


def test_a_released_gpu_keeps_its_identity_until_it_is_read_again(slot: Slot) -> None:
    """Its values are no longer current, but its identity stays known."""
    slot.read()
    slot.sample()
    slot.now += 60
    slot.slot.release()
    slot.wait_for_answer()
    slot.now += 1
    slot.slot.released(slot.now)

    sample = slot.sample()
    assert (sample.state, sample.reading, sample.identity.uuid) == (GpuState.STARTING, None, "GPU-old")

    slot.now += 1
    slot.read()
    assert slot.source.calls == ["read", "release", "read"], "the handle is not released twice"
    assert slot.sample().state is GpuState.OK


def test_the_first_xid_about_memory_causes_one_reading_of_fresh_errors(slot: Slot) -> None:
    slot.read()
    slot.sample()
    counted = {"GPU-old": 1}
    for _ in range(2):
        slot.slot.follow_xids(lambda uuid: counted.get(uuid or "", 0))
        slot.read()

    assert slot.source.calls == ["read", "fresh errors", "read", "read"]
