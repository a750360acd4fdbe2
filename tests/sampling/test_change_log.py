"""The log has one line for each change, and none for an unchanged state."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from agent.readings import (
    DriverReading,
    GpuCensus,
    GpuIdentity,
    GpuReading,
    GpuSample,
    GpuState,
    Snapshot,
)
from agent.sampling.change_log import ChangeLog

if TYPE_CHECKING:
    from collections.abc import Callable

    Lines = Callable[[], list[str]]

TWO = DriverReading(2, "580.1")
UUID = GpuIdentity("GPU-a", pci_bus_id="BUS")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """What has been logged since the last call, with the first letter of its level."""
    caplog.set_level(logging.INFO, "agent")

    def since() -> list[str]:
        said = [f"{record.levelname[0]} {record.getMessage()}" for record in caplog.records]
        caplog.clear()
        return said

    return since


def gpu(state: GpuState, identity: GpuIdentity = UUID, error: str | None = None) -> GpuSample:
    return GpuSample(
        7, state, lasting=GpuReading(1.0, identity=identity), error=error, todo=error and "look at dmesg"
    )


def snapshot(
    *gpus: GpuSample, driver: DriverReading | None = TWO, error: str | None = None, missing: int = 0
) -> Snapshot:
    census = GpuCensus(2 + missing if missing else 0)
    return Snapshot(1.0, 1.0, driver, error, census=census, gpus=gpus)


def test_a_driver_is_described_once_until_it_changes(lines: Lines) -> None:
    log = ChangeLog()
    for driver in (None, TWO, TWO, DriverReading(1, None), TWO):
        log.note(snapshot(driver=driver))

    assert lines() == [
        "I NVIDIA driver 580.1: 2 GPUs",
        "I NVIDIA driver of unknown version: 1 GPU",
        "I NVIDIA driver 580.1: 2 GPUs",
    ]


def test_a_driver_that_does_not_answer_is_a_warning_with_advice(lines: Lines) -> None:
    log = ChangeLog()
    for _ in range(2):
        log.note(snapshot(driver=None, error="No driver"))

    assert lines() == ["W No driver. Without a GPU, --simulate 8 shows what the agent does"]


@pytest.mark.parametrize(
    ("identity", "name"),
    [(UUID, "GPU 7 (GPU-a)"), (GpuIdentity(pci_bus_id="BUS"), "GPU 7 (BUS)"), (GpuIdentity(), "GPU 7")],
)
def test_a_gpu_is_named_by_its_uuid_or_else_its_bus_id_or_index(
    lines: Lines, identity: GpuIdentity, name: str
) -> None:
    log = ChangeLog()
    log.note(snapshot(driver=None))
    log.note(snapshot(gpu(GpuState.LOST, identity, "Gone"), driver=None))

    assert lines() == [f"W {name} is lost. Gone; look at dmesg"]


def test_each_change_of_a_gpu_is_a_line(lines: Lines) -> None:
    log = ChangeLog()
    seen = []
    for state in ("starting", "ok", "stale", "ok", "stuck", "stuck", "stale", "ok", "asleep", "asleep", "ok"):
        log.note(snapshot(gpu(GpuState(state), error="It hangs" if state == "stuck" else None), driver=None))
        seen.append([line.removeprefix("W ").removeprefix("I ") for line in lines()])

    again = ["GPU 7 (GPU-a) is ok again"]
    asleep = ["GPU 7 (GPU-a) is asleep: the kernel has suspended it because nobody uses it"]
    stuck = ["GPU 7 (GPU-a) is stuck. It hangs; look at dmesg"]
    assert seen == [[], [], [], [], stuck, [], [], again, asleep, [], again]


def test_a_finding_of_the_host_is_logged_once_and_so_is_its_end(lines: Lines) -> None:
    log = ChangeLog()
    log.note(snapshot())
    lines()
    said = []
    for missing in (0, 1, 1, 0, 0):
        log.note(snapshot(missing=missing))
        said.append([line.partition(";")[0] for line in lines()])

    assert said == [[], ["W 1 of the 3 expected GPUs is missing"], [], ["I The host is healthy again"], []]


def test_a_host_that_is_healthy_from_the_start_is_not_logged_as_healthy_again(lines: Lines) -> None:
    ChangeLog().note(snapshot())

    assert lines() == ["I NVIDIA driver 580.1: 2 GPUs"]


def test_a_stuck_worker_is_logged_once_and_so_is_its_next_answer(lines: Lines) -> None:
    log = ChangeLog()
    for stuck_after in (None, 2.5, 2.5, None, None):
        log.note_stuck("The host", stuck_after, "its values are unknown")

    assert lines() == [
        "W The host has not answered for 2.5 s: its values are unknown",
        "I The host answers again",
    ]
