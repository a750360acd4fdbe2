"""On a real GPU a process with a CUDA context is listed correctly, and removed when it ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from agent.sources.gpu.paces import PROCESS_PACE
from tests.hardware.cuda import COMMAND, cuda_child
from tests.hardware.smi import SmiLog, SmiProcess, Untold, run_smi
from tests.support.agents import wait_until

if TYPE_CHECKING:
    from tests.support.agents import Process

pytestmark = pytest.mark.gpu

# Seconds: a list is read anew every PROCESS_PACE, at one of the samples that come each second.
NOTICED = PROCESS_PACE + 3


def processes_on(agent: Process, pid: int) -> list[dict[str, Any]]:
    """The entries of /status with this pid."""
    status = httpx.get(f"{agent.url}/status", timeout=30).json()["data"]
    return [entry for entry in status["processes"] if entry["pid"] == pid]


def told_by_smi(log: SmiLog, pid: int) -> dict[int, SmiProcess]:
    """What nvidia-smi says of it, by GPU; skips where it does not list it."""
    told = {
        gpu.index: entry
        for gpu in log.gpus
        if not isinstance(gpu.processes, Untold)
        for entry in gpu.processes
        if entry.pid == pid
    }
    if not told:
        pytest.skip(
            f"nvidia-smi does not list pid {pid} either: another PID namespace, or the driver hides it"
        )
    return told


def test_a_process_with_a_cuda_context_comes_is_reported_right_and_goes(agent: Process) -> None:
    with cuda_child() as child:
        pid = child.pid
        told = told_by_smi(run_smi(), pid)
        wait_until(lambda: processes_on(agent, pid), "the agent lists the process", deadline=NOTICED)
        time.sleep(2)  # two looks at /proc, for the processor time
        entries = processes_on(agent, pid)
        assert {entry["idx"] for entry in entries} == set(told)
        for entry in entries:
            used = told[entry["idx"]].used_memory_mib
            assert entry["type"] == "C"
            assert entry["username"] == psutil.Process().username()
            assert COMMAND in entry["command"]
            assert entry["running_time"].startswith("0:0")
            assert isinstance(entry["cpu_percent"], (int, float))
            assert entry["host_memory"].endswith("MiB")
            if isinstance(used, Untold):
                assert entry["gpu_memory"] == "N/A"
            else:
                assert int(entry["gpu_memory"].removesuffix("MiB")) == pytest.approx(used, abs=1)
        child.communicate(timeout=30)  # its input ends, and so does it
    wait_until(lambda: not processes_on(agent, pid), "the process is gone from the list", deadline=NOTICED)


def test_the_filter_by_type_keeps_a_cuda_process_under_c_alone(agent: Process) -> None:
    with cuda_child() as child:
        told_by_smi(run_smi(), child.pid)
        wait_until(lambda: processes_on(agent, child.pid), "the agent lists the process", deadline=NOTICED)
        for kind, expected in (("C", True), ("G", False), ("NA", False)):
            status = httpx.get(f"{agent.url}/status?process={kind}", timeout=30).json()["data"]
            assert (child.pid in {entry["pid"] for entry in status["processes"]}) is expected, kind
