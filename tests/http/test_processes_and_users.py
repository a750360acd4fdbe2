"""`/processes` and `/users` through the whole agent: parameters, states, and what is remembered."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.http.wire import error_in
from tests.support.agents import agent_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx

pytestmark = pytest.mark.anyio

ME = pwd.getpwuid(os.getuid()).pw_name
HERE = os.getpid()
GIB = 2**30
WATCHING = {"HISTORY_INTERVAL": "10"}
REMEMBERED = ("first_seen", "gpu_seconds_held", "gpu_seconds_used", "idle_seconds", "idle_holder")


@pytest.fixture
def child() -> Iterator[int]:
    """The pid of a process of this user with arguments."""
    with subprocess.Popen([sys.executable, "-c", "input()", "--epochs", "3"], stdin=subprocess.PIPE) as child:
        yield child.pid
        child.kill()


@pytest.fixture
def simulation(child: int) -> Iterator[Simulation]:
    """Four GPUs: a child works on two, this process idles on one of these, one is free, one has a ghost."""
    with Simulation(4) as simulation:
        gpus = simulation.gpus
        gpus[0].processes = [
            SimulatedProcess(child, "C", 3 * GIB, 40, 30, 20, 10),
            SimulatedProcess(HERE, "C", GIB),
        ]
        gpus[1].processes = [SimulatedProcess(child, "C+G", GIB, 80)]
        gpus[2].processes = []
        gpus[2].fix(memory_used=0, gpu_utilization=0)
        gpus[3].processes = [SimulatedProcess(2**22 + 1, "C", GIB)]
        yield simulation


@asynccontextmanager
async def client(**environ: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an agent with history, whose sample stays the newest."""
    async with agent_client(**{**WATCHING, "SAMPLE_INTERVAL": "60", **environ}) as client:
        yield client


async def rows(client: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    response = await client.get(f"/processes?{query}")
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.json()["data"]["processes"]
    return listed


@pytest.mark.usefixtures("simulation")
async def test_there_is_one_row_for_each_process_on_each_gpu(child: int) -> None:
    async with client() as agent:
        listed = await rows(agent)
    assert [(row["idx"], row["pid"]) for row in listed] == sorted(
        [(0, child), (0, HERE), (1, child), (3, 2**22 + 1)]
    )


async def test_a_row_has_the_values_of_the_gpu_and_of_the_host(child: int, simulation: Simulation) -> None:
    async with client() as agent:
        (row,) = [row for row in await rows(agent, "idx=0") if row["pid"] == child]
    moving = {"host_memory_mb", "running_seconds", "first_seen", "cpu_percent"}
    moving |= {"gpu_seconds_held", "gpu_seconds_used"}
    belonging = {"container_id", "container_name", "pod_uid", "pod_name", "pod_namespace"}
    belonging |= {"systemd_unit", "job", "slurm_job_id", "slurm_step", "user_session"}
    assert row["host_memory_mb"] > 0
    assert 0 <= row["running_seconds"] < 60
    assert row["first_seen"] > 1_700_000_000_000
    assert 0 <= row["gpu_seconds_used"] <= row["gpu_seconds_held"] < 60
    assert {
        name: value
        for name, value in row.items()
        if name not in moving | belonging  # they depend on the environment of the test
    } == {
        "idx": 0,
        "uuid": simulation.gpus[0].values.uuid,
        "mig_index": None,
        "pid": child,
        "username": ME,
        "uid": os.getuid(),
        "name": Path(sys.executable).name,
        "command": f"{sys.executable} -c input() --epochs 3",
        "type": "C",
        "mps": False,
        "gpu_memory_mb": 3072.0,
        "sm_utilization_percent": 40,
        "memory_utilization_percent": 30,
        "encoder_utilization_percent": 20,
        "decoder_utilization_percent": 10,
        "idle_seconds": 0,
        "idle_holder": False,
    }


@pytest.mark.usefixtures("simulation")
async def test_a_process_that_the_host_does_not_see_has_nulls() -> None:
    async with client() as agent:
        (row,) = await rows(agent, "idx=3")
    known = {"idx", "uuid", "pid", "command", "type", "mps", "gpu_memory_mb", *REMEMBERED}
    known |= {f"{engine}_utilization_percent" for engine in ("sm", "memory", "encoder", "decoder")}
    assert {name for name, value in row.items() if value is not None} == known


@pytest.mark.parametrize(
    ("query", "gpus"),
    [
        pytest.param("idx=1", [1], id="idx"),
        pytest.param("idx=3,1", [1, 3], id="two"),
        pytest.param("idx=2", [], id="a free GPU"),
        pytest.param(f"user={ME}", [0, 0, 1], id="user"),
        pytest.param(f"user={ME}&idx=0", [0, 0], id="user and idx"),
        pytest.param("user=nobody-of-that-name", [], id="an unknown user"),
        pytest.param("user=&idx=&idle=", [0, 0, 1, 3], id="all empty"),
        pytest.param("idle=0", [0, 0, 1, 3], id="idle=0"),
        pytest.param("idle=1", [], id="idle=1: nobody for long enough"),
    ],
)
@pytest.mark.usefixtures("simulation")
async def test_the_parameters_filter_the_rows(query: str, gpus: list[int]) -> None:
    async with client() as agent:
        assert [row["idx"] for row in await rows(agent, query)] == gpus


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("idx=4", "Invalid GPU index: idx=4; the indices of this host: 0 to 3"),
        ("idx=a", "Invalid GPU index: idx='a'; accepted: numbers joined by commas, as in 0,1"),
        ("idx=0&idx=1", "Invalid GPU index: idx is given more than once, it takes a list: idx=0,1"),
        ("idle=X", "Invalid idle: it should be 0, 1, false or true, got 'X'"),
        ("idle=1&idle=0", "Invalid idle: it is given 2 times, it takes one value"),
        ("user=a&user=a", "Invalid user: it is given 2 times, it takes one value"),
    ],
)
@pytest.mark.usefixtures("simulation")
async def test_a_wrong_parameter_is_400_and_named_in_the_error(query: str, error: str) -> None:
    async with client() as agent:
        response = await agent.get(f"/processes?{query}")
    assert (400, error) == (response.status_code, error_in(response))


@pytest.mark.usefixtures("simulation")
async def test_without_history_values_over_time_are_null_and_the_idle_filter_is_refused() -> None:
    async with client(HISTORY_INTERVAL="0") as agent:
        listed = await rows(agent)
        assert listed
        for row in listed:
            assert [row[name] for name in REMEMBERED] == [None] * 5
        response = await agent.get("/processes?idle=1")
        users = (await agent.get("/users")).json()["data"]["users"]
    assert (
        response.status_code,
        error_in(response),
    ) == (400, "Invalid idle: with HISTORY_INTERVAL=0 it is not known who is idle")
    assert {
        (user["gpu_seconds_held"], user["gpu_seconds_used"], user["idle_holdings"]) for user in users
    } == {(None, None, None)}


async def test_a_gpu_that_cannot_be_read_is_in_unknown_idx_and_the_others_are_listed(
    simulation: Simulation,
) -> None:
    simulation.gpus[1].lose()
    async with client() as agent:
        data = (await agent.get("/processes")).json()["data"]
        users = (await agent.get("/users")).json()["data"]
    assert [row["idx"] for row in data["processes"]] == [0, 0, 3]
    assert data["unknown_idx"] == users["unknown_idx"] == [1]


async def test_a_process_on_a_mig_instance_has_its_mig_index(simulation: Simulation) -> None:
    simulation.gpus[2].enable_mig()
    simulation.gpus[2].processes = [SimulatedProcess(HERE, "C", GIB, 50, mig_index=1)]
    async with client() as agent:
        (row,) = await rows(agent, "idx=2")
    assert (row["uuid"], row["mig_index"]) == (simulation.gpus[2].values.uuid, 1)
    assert (row["sm_utilization_percent"], row["idle_seconds"], row["idle_holder"]) == (None, None, None)


@pytest.mark.usefixtures("simulation")
async def test_each_user_has_the_sums_of_their_processes() -> None:
    async with client() as agent:
        mine, unknown = (await agent.get("/users")).json()["data"]["users"]
    assert mine == {
        "username": ME,
        "uid": os.getuid(),
        "processes": 2,
        "gpus": [0, 1],
        "gpu_memory_mb": 5 * 1024.0,
        "sm_utilization_percent": 60.0,
        "gpu_seconds_held": 0.0,
        "gpu_seconds_used": 0.0,
        "idle_holdings": {"count": 0, "gpu_memory_mb": 0.0, "gpus": [], "since": None},
    }
    assert (unknown["username"], unknown["processes"], unknown["gpus"]) == (None, 1, [3])


@pytest.mark.usefixtures("simulation")
async def test_gpu_seconds_grow_from_sample_to_sample() -> None:
    """The agent uses its real clock: 1.5 seconds are enough to see a change."""
    async with client(SAMPLE_INTERVAL="0.5") as agent:
        held = 0.0
        while held < 1.5:
            (mine, _) = (await agent.get("/users")).json()["data"]["users"]
            held = mine["gpu_seconds_held"]
        (idle,) = [row for row in await rows(agent, "idx=0") if row["pid"] == HERE]
    assert 0 < mine["gpu_seconds_used"] < held
    assert 0 < idle["gpu_seconds_held"] <= held
    assert idle["gpu_seconds_used"] == 0


@pytest.mark.usefixtures("simulation")
async def test_hide_command_args_applies_to_processes_too() -> None:
    async with client(HIDE_COMMAND_ARGS="1") as agent:
        assert "--epochs" not in (await agent.get("/processes")).text


@pytest.mark.usefixtures("simulation")
async def test_processes_in_status_and_gpu_have_no_further_fields() -> None:
    async with client() as agent:
        status = (await agent.get("/status")).json()["data"]["processes"][0]
        rich = (await agent.get("/gpu")).json()["gpus"][0]["top_processes"][0]
    assert len(status) == 10
    assert len(rich) == 6
