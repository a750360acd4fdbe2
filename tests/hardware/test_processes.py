"""On a real GPU a process with a CUDA context is listed correctly, and removed when it ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from agent.sources.gpu.paces import PROCESS_PACE
from tests.hardware.cuda import COMMAND, cuda_child
from tests.hardware.smi import Missing, SmiLog, SmiProcess, run_smi
from tests.support.agents import wait_until

if TYPE_CHECKING:
    from tests.support.agents import Process

pytestmark = pytest.mark.gpu

# Seconds: a list is read again every PROCESS_PACE, with one of the samples that are taken each second.
NOTICED = PROCESS_PACE + 3


def processes_on(agent: Process, pid: int) -> list[dict[str, Any]]:
    """The entries of /status with this pid."""
    status = httpx.get(f"{agent.url}/status", timeout=30).json()["data"]
    return [entry for entry in status["processes"] if entry["pid"] == pid]


def listed_by_smi(log: SmiLog, pid: int) -> dict[int, SmiProcess]:
    """The entries of nvidia-smi for this process, by GPU. Skips if it does not list the process."""
    reported = {
        gpu.index: entry
        for gpu in log.gpus
        if not isinstance(gpu.processes, Missing)
        for entry in gpu.processes
        if entry.pid == pid
    }
    if not reported:
        pytest.skip(
            f"nvidia-smi does not list pid {pid} either: another PID namespace, or the driver hides it"
        )
    return reported


def test_a_process_with_a_cuda_context_is_listed_correctly_until_it_ends(agent: Process) -> None:
    with cuda_child() as child:
        pid = child.pid
        reported = listed_by_smi(run_smi(), pid)
        wait_until(lambda: processes_on(agent, pid), "the agent lists the process", deadline=NOTICED)
        time.sleep(2)  # /proc is read twice meanwhile, for the processor time
        entries = processes_on(agent, pid)
        assert {entry["idx"] for entry in entries} == set(reported)
        for entry in entries:
            used = reported[entry["idx"]].used_memory_mib
            assert entry["type"] == "C"
            assert entry["username"] == psutil.Process().username()
            assert COMMAND in entry["command"]
            assert entry["running_time"].startswith("0:0")
            assert isinstance(entry["cpu_percent"], (int, float))
            assert entry["host_memory"].endswith("MiB")
            if isinstance(used, Missing):
                assert entry["gpu_memory"] == "N/A"
            else:
                assert int(entry["gpu_memory"].removesuffix("MiB")) == pytest.approx(used, abs=1)
        child.communicate(timeout=30)  # the process ends with its input
    wait_until(lambda: not processes_on(agent, pid), "the process is gone from the list", deadline=NOTICED)


def test_the_filter_by_type_lists_a_cuda_process_only_under_c(agent: Process) -> None:
    with cuda_child() as child:
        listed_by_smi(run_smi(), child.pid)
        wait_until(lambda: processes_on(agent, child.pid), "the agent lists the process", deadline=NOTICED)
        for kind, expected in (("C", True), ("G", False), ("NA", False)):
            status = httpx.get(f"{agent.url}/status?process={kind}", timeout=30).json()["data"]
            assert (child.pid in {entry["pid"] for entry in status["processes"]}) is expected, kind
