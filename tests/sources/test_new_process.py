"""A new process counts the GPUs; its NVML library is compiled by gcc."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.simulation import Simulation
from agent.sources import new_process
from agent.sources.new_process import COMMAND, NewProcess
from tests.support.agents import ROOT
from tests.support.compiled import shared_library

SECONDS = 30  # without persistence mode nvmlInit initializes each unused GPU

SLEEP = ("sleep", "3600")
AT_ONCE = 30.0  # seconds: a loaded machine is slow


def children() -> list[str]:
    """The commands of the child processes of this test; "" for a zombie."""
    mine = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() for pid in mine]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("echo", "8"), 8),
        (("echo", "0"), 0),
        (("echo", "eight"), None),
        (("true",), None),
        (("sh", "-c", "echo 8; exit 1"), None),
        (("sh", "-c", "echo 8; kill -9 $$"), None),
        (("/no/such/program",), None),
        ((*COMMAND[:-1], "import pynvml; print(1)"), 1),
    ],
    ids=[
        *("works", "finds none", "prints no number", "prints nothing"),
        *("fails", "is killed", "cannot be started", "finds nvidia-ml-py"),
    ],
)
def test_the_output_of_a_new_process_counts_only_if_it_succeeds(
    command: tuple[str, ...], expected: int | None
) -> None:
    before = children()

    assert NewProcess(command, seconds=AT_ONCE).count_gpus() == expected
    assert children() == before, "it leaves no zombie"


def test_no_file_in_the_working_directory_replaces_nvidia_ml_py(tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text("def nvmlInit(): pass")
    command = [*COMMAND[:-1], "import pynvml; print(pynvml.__file__)"]

    found = subprocess.check_output(command, cwd=tmp_path, text=True, timeout=AT_ONCE)  # noqa: S603  (our own)

    assert not found.startswith(str(tmp_path))


def test_a_hung_process_is_killed_in_time_and_leaves_no_zombie() -> None:
    before = children()
    began = time.monotonic()

    assert NewProcess(SLEEP, seconds=0.2).count_gpus() is None
    assert time.monotonic() - began < AT_ONCE
    assert children() == before


def test_a_process_that_outlives_the_agent_ends_by_itself() -> None:
    hangs = COMMAND[-1].replace("pynvml.nvmlInit()", "signal.pause()")
    program = hangs.replace(f"alarm({SECONDS})", "alarm(1)")
    assert program != hangs != COMMAND[-1]

    ended = subprocess.run([sys.executable, "-c", program], timeout=AT_ONCE, check=False)  # noqa: S603  (our own)

    assert ended.returncode < 0, "the alarm has ended it"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only NVML library that a new process finds."""
    shared_library(ROOT / "tests/support/nvml_count.c", tmp_path / "libnvidia-ml.so.1")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("count", [0, 7])
def test_a_new_process_reports_the_gpu_count_of_nvml(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_GPU_COUNT", f"{count}")

    assert new_process.count_gpus() == count


@pytest.mark.usefixtures("library")
def test_without_a_driver_the_gpu_count_is_unknown() -> None:
    assert new_process.count_gpus() is None


@pytest.mark.usefixtures("library")
def test_a_hung_driver_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_GPU_COUNT", "hangs")

    assert NewProcess(seconds=0.5).count_gpus() is None


def test_a_simulation_counts_its_gpus_as_a_new_process_would() -> None:
    real = new_process.count_gpus
    with Simulation(3) as simulation:
        simulation.gpus[0].vanish()
        assert new_process.count_gpus() == 2
        simulation.remove_driver()
        assert new_process.count_gpus() is None
    assert new_process.count_gpus is real
