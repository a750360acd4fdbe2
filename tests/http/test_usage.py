"""`/usage` through the whole agent, with and without data."""

from __future__ import annotations

import asyncio
import csv
import os
import sqlite3
import time
from contextlib import asynccontextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from agent.readings import GpuDay, UserDay
from agent.simulation import Simulation
from agent.simulation.processes import SimulatedProcess
from agent.state.reader import MAX_WAITING
from tests.http.schema import faults, response_schema
from tests.http.wire import error_in
from tests.support.agents import agent_client
from tests.support.state_file import HOUR, REAL, ago, fill, sums

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.anyio

ALICE, BOB = 7001, 7002
NAMES = {ALICE: "alice", BOB: "bob"}


@asynccontextmanager
async def agent_with_days(folder: Path, **environ: str) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A client of an agent whose state file has forty days, and the UUID of its GPU."""
    with Simulation(1) as simulation:
        uuid = str(simulation.gpus[0].values.uuid)
        days = [ago(days) for days in range(40)]
        fill(
            folder / REAL,
            [UserDay(day, ALICE, sums(2.0)) for day in days]
            + [UserDay(ago(3), BOB, sums(5.0, told=0.5)), UserDay(ago(3), None, sums(1.0, told=0.0))],
            [GpuDay(day, uuid, "H100", 24 * HOUR, 3.6e6, sums(2.0)) for day in days]
            + [GpuDay(ago(3), "GPU-gone", "K80", HOUR, None, sums(1.0, told=0.0))],
            NAMES,
        )
        async with agent_client(STATE_DIR=str(folder), HISTORY_INTERVAL="10", **environ) as client:
            yield client, uuid


async def usage_of(client: httpx.AsyncClient, query: str) -> dict[str, Any]:
    answer = await client.get(f"/usage?{query}")
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def test_the_hours_of_users_over_30_days_are_null_if_never_reported(tmp_path: Path) -> None:
    async with agent_with_days(tmp_path) as (client, _):
        data = await usage_of(client, "")
    assert (data["by"], data["first_day"], data["last_day"]) == ("user", ago(29), ago(0))
    assert (data["since"], data["left_out"]) == (ago(39), 0)
    assert data["zone"]
    hours = {
        row["username"]: (row["hours_held"], row["hours_told"], row["hours_used"]) for row in data["users"]
    }
    assert hours == {"alice": (60.0, 60.0, 30.0), "bob": (5.0, 2.5, 1.25), None: (1.0, 0.0, None)}
    assert [row["uid"] for row in data["users"]] == [ALICE, BOB, None]
    assert data["users"][2]["hours_idle"] is None
    alice = data["users"][0]
    assert (alice["gpu_memory_mean_mb"], alice["gpu_memory_peak_mb"]) == (1024.0, 2048.0)


async def test_hours_can_be_grouped_by_day_and_by_gpu(tmp_path: Path) -> None:
    async with agent_with_days(tmp_path) as (client, uuid):
        days = await usage_of(client, "days=4&by=day")
        gpus = await usage_of(client, "days=4&by=gpu")
    assert [(row["day"], row["hours_held"], row["energy_kwh"]) for row in days["days"]] == [
        (ago(3), 3.0, 1.0), (ago(2), 2.0, 1.0), (ago(1), 2.0, 1.0), (ago(0), 2.0, 1.0),
    ]  # fmt: skip
    assert [(row["idx"], row["uuid"], row["hours_watched"], row["energy_kwh"]) for row in gpus["gpus"]] == [
        (0, uuid, 96.0, 4.0), (None, "GPU-gone", 1.0, None),
    ]  # fmt: skip


async def test_csv_has_the_same_rows_as_json(tmp_path: Path) -> None:
    async with agent_with_days(tmp_path) as (client, _):
        answer = await client.get("/usage?days=7&by=user&format=csv")
        data = await usage_of(client, "days=7")
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert f'filename="gpu-hours-by-user-{ago(6)}-{ago(0)}.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(StringIO(answer.text)))
    assert [row["username"] for row in rows] == ["alice", "bob", ""]
    assert [float(row["hours_held"]) for row in rows] == [row["hours_held"] for row in data["users"]]
    assert {(row["first_day"], row["last_day"], row["zone"]) for row in rows} == {
        (ago(6), ago(0), data["zone"])
    }


async def test_each_answer_conforms_to_the_openapi_document(tmp_path: Path) -> None:
    async with agent_with_days(tmp_path) as (client, _):
        document = (await client.get("/openapi.json")).json()
        for query in ("by=user", "by=day&days=400", "by=gpu", "by=user&format=json"):
            answer = (await client.get(f"/usage?{query}")).json()
            assert list(faults(answer, response_schema(document, "/usage", 200), document)) == [], query


async def test_without_state_dir_usage_is_404_with_the_reason() -> None:
    with Simulation(1):
        async with agent_client() as client:
            answer = await client.get("/usage")
            users = (await client.get("/users")).json()["data"]
            document = (await client.get("/openapi.json")).json()
    assert answer.status_code == 404
    assert error_in(answer) == "GPU hours are not kept: STATE_DIR is not set"
    assert list(faults(answer.json(), response_schema(document, "/usage", 404), document)) == []
    assert users["usage_days"] is None


async def test_with_state_users_0_hours_are_available_only_by_day_and_gpu(tmp_path: Path) -> None:
    async with agent_with_days(tmp_path, STATE_USERS="0") as (client, _):
        refused = await client.get("/usage?by=user")
        days = await usage_of(client, "by=day")
        users = (await client.get("/users")).json()["data"]
    assert refused.status_code == 400
    assert error_in(refused) == "Invalid by: 'user', and STATE_USERS is 0; accepted: day, gpu"
    assert len(days["days"]) == 30
    assert users["usage_days"] is None
    with sqlite3.connect(tmp_path / REAL) as file:
        assert file.execute("SELECT count(*) FROM user_days").fetchone() == (0,)


async def test_users_has_the_number_of_days_for_which_hours_are_kept(tmp_path: Path) -> None:
    async with agent_with_days(tmp_path, STATE_DAYS="90") as (client, _):
        assert (await client.get("/users")).json()["data"]["usage_days"] == 90


WRONG = {
    "days=0": "Invalid days",
    "days=4001": "Invalid days: it should be less than or equal to 4000",
    "days=x": "Invalid days",
    "by=team": "Invalid by",
    "format=xls": "Invalid format",
    "day=7": "Unknown parameter: 'day'; accepted: by, days, format",
    "days=1&days=2": "Invalid days: it is given 2 times",
}


async def test_a_wrong_parameter_is_named_in_the_error(tmp_path: Path) -> None:
    async with agent_with_days(tmp_path) as (client, _):
        for query, wrong in WRONG.items():
            answer = await client.get(f"/usage?{query}")
            assert answer.status_code == 400
            assert error_in(answer).startswith(wrong)


@pytest.mark.slow
async def test_hours_are_counted_exactly_once_across_restarts(tmp_path: Path) -> None:
    environ = {"STATE_DIR": str(tmp_path), "HISTORY_INTERVAL": "1", "SAMPLE_INTERVAL": "0.5"}
    held, watched = [], 0.0
    with Simulation(16) as simulation:
        for gpu in simulation.gpus:
            gpu.processes = [SimulatedProcess(os.getpid(), "C", 2**30)]
        for _ in range(3):
            began = time.monotonic()
            async with agent_client(**environ) as client:
                data = await usage_of(client, "by=user")
                held.append(sum(row["hours_held"] for row in data["users"] if row["uid"] == os.getuid()))
                await asyncio.sleep(1.1)  # more than a second has to pass
            assert held[-1] <= 16 * watched / 3600 + 0.001
            watched += time.monotonic() - began
    assert 0 == held[0] < held[1] < held[2]


async def test_a_request_while_too_many_wait_is_refused_for_now(tmp_path: Path) -> None:
    async with agent_with_days(tmp_path) as (client, _):
        store = client._transport.app.state.shared.store  # type: ignore[attr-defined]  # noqa: SLF001
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(_: sqlite3.Connection) -> None:
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()

        blocked = [asyncio.create_task(store.read(slow))]
        await asyncio.sleep(0)
        answers = await asyncio.gather(*(client.get("/usage") for _ in range(MAX_WAITING + 2)))
        gate.set()
        await asyncio.gather(*blocked)
        assert (await client.get("/usage?days=1")).status_code == 200
    assert {answer.status_code for answer in answers} == {503}
    assert all("try again" in error_in(answer) for answer in answers)
    assert all(answer.headers["retry-after"] == "1" for answer in answers)
