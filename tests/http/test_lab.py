"""`--simulate 8`: every answer is about the simulated lab, none about the machine that it runs on."""

from __future__ import annotations

import re

import pytest

from agent.simulation import Simulation
from agent.simulation.programs import PEOPLE
from tests.support.agents import agent_client

pytestmark = pytest.mark.anyio

ABOVE_LINUX = 2**22  # pids
ONE_SAMPLE = {"SAMPLE_INTERVAL": "60", "HISTORY_INTERVAL": "60"}


async def test_a_simulation_shows_only_its_lab_and_its_answers_are_consistent() -> None:
    with Simulation(1):  # the agent's simulation replaces it, and ends with it
        async with agent_client(SIMULATE_GPUS="8", METRICS_PROCESSES="1", **ONE_SAMPLE) as client:
            rows, users, status, free = [
                (await client.get(path)).raise_for_status().json()["data"]
                for path in ("/processes", "/users", "/status", "/free?count=8")
            ]
            rich = (await client.get("/gpu")).json()
            metrics = (await client.get("/metrics")).text
    rows, users = rows["processes"], users["users"]
    top = rich["system_info"]["memory"]["top_processes"]
    of_gpus = [process for gpu in rich["gpus"] for process in gpu["top_processes"]]
    told = [*rows, *top, *of_gpus, *status["processes"]]

    assert min(process["pid"] for process in told) > ABOVE_LINUX
    assert {process["username"] for process in told} <= {*PEOPLE, "root"}
    assert {int(pid) for pid in re.findall(r'[{,]pid="(\d+)"', metrics)} == {row["pid"] for row in rows}
    assert len(top) == 5
    assert [gpu["idx"] for gpu in free["gpus"]] == [3]
    for gpu in rich["gpus"]:
        here = [row["gpu_memory_mb"] for row in rows if row["idx"] == gpu["id"]]
        # the two values are read some milliseconds apart, and memory changes
        assert sum(here) == pytest.approx(gpu["memory"]["used_mb"], abs=256)
    for user in users:
        theirs = [row for row in rows if row["username"] == user["username"]]
        assert user["gpus"] == sorted({row["idx"] for row in theirs})
        assert user["processes"] == len({row["pid"] for row in theirs})
        assert user["gpu_memory_mb"] == pytest.approx(sum(row["gpu_memory_mb"] for row in theirs))
