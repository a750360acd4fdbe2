"""A process that the host hides, or shows differently, never gets another process's name."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import SimulatedProcess, Simulation
from agent.simulation.processes import BEYOND_ANY_PID
from agent.sources.pid_namespace import is_initial
from agent.sources.processes import ELSEWHERE
from tests.faults.endpoints import SCHEDULING, TimedClient, every_gpu_is_ok
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

UNKNOWN = {
    "username": "N/A",
    "running_time": "N/A",
    "cpu_percent": "N/A",
    "host_memory": "N/A",
}
PROCESS_PACE = 2.0  # seconds between two readings of the driver's list


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


def only_process(status: Any) -> dict[str, Any]:
    (process,) = status["data"]["processes"]
    return dict(process)


async def test_a_process_that_exited_between_list_and_lookup_is_reported_as_ended() -> None:
    """So is a process of another PID namespace: neither can be found here."""
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(BEYOND_ANY_PID, memory_bytes=2**30)]
        with agent_server() as url:
            async with TimedClient(url) as client:
                status = await client.wait_for(every_gpu_is_ok, SCHEDULING, "every GPU is ok")
                top = (await client.get("/gpu")).json["gpus"][0]["top_processes"]
    process = only_process(status)
    assert (process["command"], process["gpu_memory"]) == (ELSEWHERE, "1024MiB")
    assert {name: process[name] for name in UNKNOWN} == UNKNOWN
    assert [(one["pid"], one["name"], one["username"]) for one in top] == [(BEYOND_ANY_PID, None, None)]


@pytest.mark.slow
async def test_an_exited_process_is_listed_until_the_driver_drops_it(
    child: subprocess.Popen[bytes],
) -> None:
    with Simulation(1) as simulation:
        gpu = simulation.gpus[0]
        gpu.processes = [SimulatedProcess(child.pid)]
        with agent_server(SAMPLE_INTERVAL="0.5") as url:
            async with TimedClient(url) as client:
                await client.wait_for(every_gpu_is_ok, SCHEDULING, "every GPU is ok")
                child.kill()
                child.wait()
                within = 2 * 0.5 + SCHEDULING
                seen = lambda status: only_process(status)["command"] == ELSEWHERE  # noqa: E731
                await client.wait_for(seen, within, "the process has ended")
                gpu.processes = []
                within += PROCESS_PACE
                await client.wait_for(
                    lambda status: not status["data"]["processes"], within, "the process is no longer listed"
                )


@pytest.mark.skipif(
    not is_initial("/proc"), reason="in a PID namespace of its own a zombie cannot be recognized"
)
async def test_a_zombie_is_shown_with_its_user_and_name(child: subprocess.Popen[bytes]) -> None:
    """The driver may list it until its parent collects it."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222  (dead, but not yet collected)
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(child.pid, memory_bytes=2**30)]
        with agent_server() as url:
            async with TimedClient(url) as client:
                process = only_process(await client.wait_for(every_gpu_is_ok, SCHEDULING, "every GPU is ok"))
    assert process["command"].startswith("[python")
    assert (process["host_memory"], process["gpu_memory"]) == ("0MiB", "1024MiB")
    assert process["username"] != "N/A"
