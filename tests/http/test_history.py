"""`/history` through the whole agent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.simulation import Simulation
from agent.views.history import DEFAULT, FIELDS
from tests.http.schema import faults, response_schema
from tests.http.wire import error_in
from tests.support.agents import agent_client

pytestmark = pytest.mark.anyio


async def test_sampled_values_are_in_the_columns_of_history() -> None:
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


async def test_without_history_the_columns_are_empty_and_the_interval_is_null() -> None:
    with Simulation(2):
        async with agent_client() as client:
            nothing: dict[str, Any] = {"interval": None, "longest_seconds": None, "ts": [], "devices": []}
            assert (await client.get("/history")).json() == {"code": 0, "data": nothing}
            data = (await client.get("/history?fields=host")).json()["data"]
            assert data == {**nothing, "host": {"cpu_percent": [], "memory_used_mb": []}}


async def test_other_columns_can_be_requested_with_fields() -> None:
    """A value that a GPU does not report is null at each time."""
    fields = "sm_percent, tensor_percent,graphics_mhz,pcie_tx_mbps,fan_speed_percent,host"
    with Simulation(2, models=["h100", "k80"]) as simulation:
        simulation.gpus[0].fix(graphics_clock=1500, sm_activity=77)
        async with agent_client(HISTORY_INTERVAL="1", SAMPLE_INTERVAL="0.5") as client:
            await asyncio.sleep(1.2)  # some values are the change between two samples
            answer = (await client.get("/history", params={"fields": fields})).json()
            default = (await client.get("/history?fields=")).json()
            document = (await client.get("/openapi.json")).json()
    h100, k80 = answer["data"]["devices"]
    assert h100.keys() == {"idx", "uuid", *(name.strip() for name in fields.split(","))} - {"host"}
    assert h100["graphics_mhz"][-1] == 1500
    assert h100["tensor_percent"][-1] is not None
    assert set(h100["fan_speed_percent"]) == {None}, "it has none"
    assert set(k80["sm_percent"]) == {None}, "it has no GPM"
    host = answer["data"]["host"]
    assert {len(column) for column in host.values()} == {len(answer["data"]["ts"])}
    assert host["memory_used_mb"][-1] > 0
    assert default["data"]["devices"][0].keys() == {"idx", "uuid", *DEFAULT}
    for told in (answer, default):
        assert list(faults(told, response_schema(document, "/history", 200), document)) == []


@pytest.mark.parametrize("fields", ["x", "sm_percent,,host", "SM_percent", "sm_percent;host", ",", "idx"])
async def test_the_error_of_an_unknown_column_lists_all_columns(fields: str) -> None:
    with Simulation(1):
        async with agent_client() as client:
            answer = await client.get("/history", params={"fields": fields})
            twice = await client.get("/history?fields=host&fields=host")
            long = await client.get(f"/history?fields={'x' * 81}")
    assert (answer.status_code, answer.json()["code"]) == (400, 1)
    assert error_in(answer).endswith(", ".join(FIELDS))
    assert "given 2 times" in error_in(twice)
    assert error_in(long).startswith(f"Invalid fields: '{'x' * 80}' is none; ")


@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        ("0", "it should be greater than 0"),
        ("-1", "it should be greater than 0"),
        ("3601", "3601; accepted: up to 3600, because STATE_DIR is not set"),
        ("7776001", "it should be less than or equal to 7776000"),
        ("nan", "it should be a finite number"),
        ("x", "it should be a valid number"),
    ],
)
async def test_a_wrong_value_of_seconds_is_named_in_the_error(seconds: str, why: str) -> None:
    with Simulation(1):
        async with agent_client() as client:
            answer = await client.get(f"/history?seconds={seconds}")

    assert answer.status_code == 400
    assert error_in(answer).startswith(f"Invalid seconds: {why}")
