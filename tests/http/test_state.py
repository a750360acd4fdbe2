"""An agent with STATE_DIR: the condition of its file, queries, and restarts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from agent.settings import Settings, SettingsError
from agent.simulation import Simulation
from tests.http.wire import error_in
from tests.support.agents import ROOT, agent_client, clean_environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.anyio

RUN_WITHOUT = """
import asyncio, sys, threading
from agent.app import create_app
from agent.settings import Settings
async def run():
    app = create_app(Settings.from_mapping({"SIMULATE_GPUS": "1"}))
    async with app.router.lifespan_context(app):
        await app.state.shared.sampler.latest()
        assert "state" not in {thread.name for thread in threading.enumerate()}
asyncio.run(run())
assert "sqlite3" not in sys.modules and "_sqlite3" not in sys.modules
"""


@pytest.fixture
def simulated() -> Iterator[Simulation]:
    with Simulation(2) as simulation:
        yield simulation


def test_without_state_dir_no_database_is_loaded_and_no_thread_runs() -> None:
    subprocess.run([sys.executable, "-c", RUN_WITHOUT], cwd=ROOT, env=clean_environ(), check=True)  # noqa: S603


async def test_without_state_dir_no_state_is_reported_and_history_is_one_hour(simulated: Simulation) -> None:
    del simulated
    async with agent_client(HISTORY_INTERVAL="10") as client:
        assert (await client.get("/ready")).json()["state"] is None
        assert "nvidia_gpu_agent_state" not in (await client.get("/metrics")).text
        answer = await client.get("/history?seconds=86400")

    assert answer.status_code == 400
    assert error_in(answer) == "Invalid seconds: 86400; accepted: up to 3600, because STATE_DIR is not set"


@pytest.mark.usefixtures("simulated")
async def test_the_kept_history_is_reported_and_available_after_a_restart(tmp_path: Path) -> None:
    async with agent_client(HISTORY_INTERVAL="1", STATE_DIR=str(tmp_path)) as client:
        assert (await client.get("/ready")).json()["state"] == "kept"
        before = (await client.get("/history?fields=host")).json()["data"]["ts"]
    async with agent_client(HISTORY_INTERVAL="1", STATE_DIR=str(tmp_path)) as client:
        metrics = (await client.get("/metrics")).text
        ts = (await client.get("/history?fields=host")).json()["data"]["ts"]
        day = await client.get("/history?seconds=86400")
        quarter = await client.get("/history?seconds=7776000&fields=power_watts,host")

    assert "\nnvidia_gpu_agent_state_kept 1.0\n" in metrics
    assert "\nnvidia_gpu_agent_state_failures_total 0.0\n" in metrics
    assert before[0] - 100 <= ts[0] <= before[-1] + 100  # the file has times in tenths of a second
    assert (day.status_code, day.json()["data"]["interval"]) == (200, 60)
    assert (quarter.status_code, quarter.json()["data"]["interval"]) == (200, 3600)
    assert [gpu["idx"] for gpu in day.json()["data"]["devices"]] == [0, 1]


@pytest.mark.usefixtures("simulated")
async def test_a_gpu_that_is_missing_after_a_restart_is_a_finding(tmp_path: Path) -> None:
    async with agent_client(HISTORY_INTERVAL="1", STATE_DIR=str(tmp_path)):
        pass
    with Simulation(1):
        async with agent_client(HISTORY_INTERVAL="1", STATE_DIR=str(tmp_path)) as client:
            found = (await client.get("/ready")).json()["host"]["findings"]
        async with agent_client(HISTORY_INTERVAL="1", STATE_DIR=str(tmp_path), EXPECTED_GPUS="1") as client:
            expected = (await client.get("/ready")).json()["host"]["findings"]

    assert found == {"gpus_gone": "warning"}
    assert expected == {}


async def test_an_xid_is_still_a_finding_after_a_restart_and_its_counter_starts_at_0(
    simulated: Simulation, tmp_path: Path
) -> None:
    environ = {"HISTORY_INTERVAL": "1", "SAMPLE_INTERVAL": "0.5", "STATE_DIR": str(tmp_path)}
    async with agent_client(**environ) as client, asyncio.timeout(20):
        while not (counted := _counted(await client.get("/metrics"))):
            simulated.gpus[1].raise_xid(79)  # until the agent listens for XIDs
            await asyncio.sleep(0.3)
    async with agent_client(**environ) as client:
        metrics = await client.get("/metrics")
        gpu = (await client.get("/gpu")).json()["gpus"][1]

    assert counted[0] > 0
    assert _counted(metrics) == [0.0]
    assert gpu["health"]["verdict"] == "critical"
    assert "XID 79" in gpu["health"]["reasons"][0]


def _counted(metrics: httpx.Response) -> list[float]:
    lines = metrics.text.splitlines()
    return [float(line.split()[-1]) for line in lines if line.startswith("nvidia_gpu_xid_errors_total{")]


def test_state_dir_without_history_is_refused() -> None:
    with pytest.raises(SettingsError, match="STATE_DIR is '/var/lib/x', which cannot keep anything while"):
        Settings.from_mapping({"HISTORY_INTERVAL": "0", "STATE_DIR": "/var/lib/x"})


@pytest.mark.parametrize("path", ["state", "./state", "/"])
def test_state_dir_must_be_an_absolute_path(path: str) -> None:
    with pytest.raises(SettingsError, match="accepted: the absolute path of a folder"):
        Settings.from_mapping({"STATE_DIR": path})
