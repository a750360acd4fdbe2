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
    """Writes down what is asked of it; a test says who it is and what runs there."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self.asked: list[str] = []
        self.uuid = "GPU-old"
        self.processes: tuple[GpuProcess, ...] | None = (PROCESS,)
        self.gpu_percent: int | None = None
        self.error: str | None = None
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def read(self, *, watched: bool = True) -> GpuReading:  # noqa: ARG002  (as the real one)
        self.asked.append("read")
        self.is_asked.set()
        assert self.may_answer.wait(10), "the test forgot to let it answer"
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
        self.asked.append("fresh errors")
        return self.read(watched=watched)

    def measure_slow_counters(self) -> None:
        pass

    def release(self, *, may_be_another: bool = False) -> None:
        self.asked.append("release: may be another" if may_be_another else "release")


class Slot:
    """A slot with a real worker, in a time that stands until it is moved."""

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
        """It returns once the source may answer."""
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


def test_what_was_read_is_shown(slot: Slot) -> None:
    slot.read()

    sample = slot.sample()

    assert (sample.index, sample.state, sample.identity.uuid) == (3, GpuState.OK, "GPU-old")
    assert slot.slot.processes == (PROCESS,)
    assert slot.slot.last is sample.reading


DISPLAY = GpuProcess(8, ProcessType.GRAPHICS)


@pytest.mark.parametrize(
    ("processes", "gpu_percent", "is_idle"),
    [
        pytest.param((), 0, True, id="nobody"),
        pytest.param((DISPLAY,), 0, True, id="a display server that shows nothing"),
        pytest.param((DISPLAY, PROCESS), 0, False, id="somebody who computes nothing now"),
        pytest.param((), 1, False, id="somebody who is not listed"),
        pytest.param((), None, False, id="unknown utilization"),
        pytest.param(None, 0, False, id="unknown processes"),
    ],
)
def test_a_gpu_is_idle_where_nobody_computes_on_it(
    slot: Slot, processes: tuple[GpuProcess, ...] | None, gpu_percent: int | None, is_idle: bool
) -> None:
    assert not slot.slot.is_idle, "before the first answer"
    slot.source.processes, slot.source.gpu_percent = processes, gpu_percent
    slot.read()

    assert slot.slot.is_idle is is_idle


@pytest.mark.parametrize("processes", [None, ()], ids=["not told", "none"])
def test_a_gpu_whose_processes_are_unknown_has_none_to_ask_the_host_about(
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
    assert slot.slot.processes == (), "a GPU that is lost"


def test_an_error_keeps_who_it_was_and_how_old_its_last_reading_is(slot: Slot) -> None:
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


def test_a_renewed_contact_is_made_with_the_next_reading_and_once(slot: Slot) -> None:
    slot.read()
    slot.slot.renew(slot.now)
    assert slot.source.asked == ["read"], "not before it is asked for"

    slot.read()
    slot.read()

    assert slot.source.asked == ["read", "release: may be another", "read", "read"]


def test_a_renewal_that_comes_while_a_call_is_out_is_made_up_for(slot: Slot) -> None:
    slot.leave_a_call_out()
    slot.now += 1
    slot.slot.renew(slot.now)
    slot.slot.request()  # in vain: the call is out
    slot.source.may_answer.set()
    slot.wait_for_answer()
    slot.now += 1

    slot.read()

    assert slot.source.asked == ["read", "release: may be another", "read"]


def test_with_the_contact_the_old_identity_is_forgotten(slot: Slot) -> None:
    """This index may be another GPU now, and the old one's values not its own."""
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


def test_an_answer_of_the_old_contact_that_comes_late_counts_for_nothing(slot: Slot) -> None:
    slot.leave_a_call_out()
    slot.now += 1
    slot.slot.renew(slot.now)
    slot.source.may_answer.set()
    slot.wait_for_answer()

    assert slot.slot.result is None
    assert slot.sample().state is GpuState.STARTING


def test_a_gpu_that_was_let_go_is_the_same_when_it_comes_back(slot: Slot) -> None:
    """Nobody looked for a minute: its values are no longer current, but who it is stays known."""
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
    assert slot.source.asked == ["read", "release", "read"], "the handle is not let go a second time"
    assert slot.sample().state is GpuState.OK


def test_the_first_xid_about_memory_has_the_errors_read_anew_once(slot: Slot) -> None:
    slot.read()
    slot.sample()
    counted = {"GPU-old": 1}
    for _ in range(2):
        slot.slot.follow_xids(lambda uuid: counted.get(uuid or "", 0))
        slot.read()

    assert slot.source.asked == ["read", "fresh errors", "read", "read"]
