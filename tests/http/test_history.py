"""`/history` through the whole agent."""

from __future__ import annotations

import asyncio

import pytest

from agent.simulation import Simulation
from tests.http.wire import error_in
from tests.support.agents import agent_client

pytestmark = pytest.mark.anyio


async def test_what_was_sampled_is_remembered_in_columns() -> None:
    with Simulation(2) as simulation:
        simulation.gpus[0].fix(gpu_utilization=42, memory_used=2**30, temperature=55, power_usage=123_400)
        async with agent_client(HISTORY_INTERVAL="1", SAMPLE_INTERVAL="0.5") as client:
            await asyncio.sleep(2.2)
            data = (await client.get("/history?seconds=60&idx=0")).json()["data"]

    (device,) = data["devices"]
    assert data["interval"] == 1.0
    assert len(data["ts"]) >= 3
    assert data["ts"] == sorted(data["ts"])
    assert {len(column) for name, column in device.items() if name not in ("idx", "uuid")} == {
        len(data["ts"])
    }
    assert (device["gpu_utilization"][-1], device["memory_used_mb"][-1]) == (42, 1024.0)
    assert (device["temperature_celsius"][-1], device["power_watts"][-1]) == (55, 123.4)


async def test_without_history_the_columns_are_empty_and_say_so() -> None:
    with Simulation(2):
        async with agent_client() as client:
            assert (await client.get("/history")).json() == {
                "code": 0,
                "data": {"interval": None, "ts": [], "devices": []},
            }


@pytest.mark.parametrize("seconds", ["0", "-1", "3601", "nan", "x"])
async def test_wrong_seconds_are_named(seconds: str) -> None:
    with Simulation(1):
        async with agent_client() as client:
            answer = await client.get(f"/history?seconds={seconds}")

    assert answer.status_code == 400
    assert error_in(answer).startswith("Invalid seconds: ")
