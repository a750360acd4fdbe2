"""The count of a new process, over an NVML library that gcc makes here."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from agent.sources import recount
from tests.support.agents import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only NVML that a new process finds."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc")
    source = ROOT / "tests" / "support" / "nvml_count.c"
    command = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(tmp_path / "libnvidia-ml.so.1")]
    subprocess.run([*command, str(source)], check=True)  # noqa: S603  (our own code)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("count", [0, 7])
def test_it_is_what_nvml_counts_there(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_GPU_COUNT", f"{count}")

    assert recount.count_in_new_process() == count


@pytest.mark.usefixtures("library")
def test_without_a_driver_it_is_unknown() -> None:
    assert recount.count_in_new_process() is None


@pytest.mark.usefixtures("library")
def test_a_driver_that_hangs_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_GPU_COUNT", "hangs")

    assert recount.count_in_new_process(timeout=0.5) is None


def test_simulated_gpus_are_counted_as_a_new_process_would() -> None:
    real = recount.count_in_new_process
    with Simulation(3) as simulation:
        simulation.gpus[0].vanish()
        assert recount.count_in_new_process() == 2
        simulation.remove_driver()
        assert recount.count_in_new_process() is None
    assert recount.count_in_new_process is real
