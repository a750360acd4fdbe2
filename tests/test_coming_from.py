"""Each point of `docs/coming-from.md`, checked with a real agent.

tests/test_seed_examples.py and tests/test_client_examples.py check what has not changed.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from agent.settings import Settings, SettingsError
from agent.simulation import SimulatedProcess, Simulation
from tests.http.wire import A_TOKEN
from tests.support.agents import ROOT, agent_client
from tests.test_seed_examples import GPU_EXAMPLE, STATUS_EXAMPLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

pytestmark = pytest.mark.anyio

DOCUMENT = (ROOT / "docs" / "coming-from.md").read_text()
API_KEY = {"X-API-Key": "a-key"}
# The keys of a failure in the first agent's description. Errors of its framework had {"detail": …}.
FAILURE = {"code", "data", "error"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends the TOKEN to an agent with three GPUs, a prefix, and both credentials."""
    with Simulation(3) as simulation:
        simulation.gpus[0].fix(fan_speed=40, fan_speed_rpm=None, power_usage=185_200, power_limit=450_000)
        simulation.gpus[0].processes = [SimulatedProcess(1, "C", 2**30, sm_utilization=90)]
        async with agent_client(TOKEN=A_TOKEN, API_KEY="a-key", URL_PREFIX="server1") as client:
            client.base_url = client.base_url.join("/server1/")
            client.headers["Authorization"] = A_TOKEN
            yield client


async def gpu(client: httpx.AsyncClient, query: str = "") -> Any:
    """The first GPU, once the values that need two samples are known."""
    while True:
        first = (await client.get(f"/gpu{query}")).json()["gpus"][0]
        values = [first["pcie"]["utilization_percent"]]
        if "detail" in first:
            values.append(first["detail"]["performance"]["dram_percent"])
        if None not in values:
            return first
        await asyncio.sleep(0.05)


async def slashes(client: httpx.AsyncClient) -> None:
    for path in ("/status", "/count", "/gpu"):
        assert (await client.get(f"{path}/")).status_code == 200
        assert (await client.head(path)).status_code == 200
    assert (await client.get("/status/?process=C")).json()["data"]["count"] == 3


async def failures(client: httpx.AsyncClient) -> None:
    found = {
        404: await client.get("/nothing"),
        405: await client.post("/status"),
        400: await client.get("/gpu/stream?interval=0"),
        401: await client.get("/status", headers={"Authorization": "wrong"}),
    }
    for status, response in found.items():
        assert (response.status_code, response.json().keys()) == (status, FAILURE)


async def documents(client: httpx.AsyncClient) -> None:
    nobody = {"Authorization": ""}
    for path in ("/docs", "/openapi.json"):
        assert (await client.get(path, headers=nobody)).status_code == 200
        assert (await client.get(f"http://agent{path}")).status_code == 404
    assert (await client.get("/redoc")).status_code == 404


async def fields_of_status(client: httpx.AsyncClient) -> None:
    data, example = (await client.get("/status")).json()["data"], STATUS_EXAMPLE["data"]
    added = {"uuid", "state", "age_ms", "health"}
    assert data["devices"][0].keys() - example["devices"][0].keys() == added
    assert example["devices"][0].keys() <= data["devices"][0].keys()
    added = {"running_time", "gpu_sm_utilization", "cpu_percent", "host_memory"}
    assert data["processes"][0].keys() - example["processes"][0].keys() == added
    assert example["processes"][0].keys() <= data["processes"][0].keys()


async def order(client: httpx.AsyncClient) -> None:
    async def indices(idx: str) -> list[int]:
        data = (await client.get(f"/status?idx={idx}")).json()["data"]
        return [device["idx"] for device in data["devices"]]

    assert await indices("2,0,2") == [0, 2]
    assert await indices("") == [0, 1, 2]


async def words(client: httpx.AsyncClient) -> None:
    wrong_index = await client.get("/status?idx=9")
    assert (wrong_index.status_code, wrong_index.json()["code"]) == (400, 1)
    assert wrong_index.json()["error"].startswith("Invalid GPU index")
    wrong_type = await client.get("/status?process=X")
    assert (wrong_type.status_code, wrong_type.json()["code"]) == (400, 1)
    assert all(word in wrong_type.json()["error"] for word in ("process", "C", "G", "NA"))
    unauthorized = await client.get("/count", headers={"Authorization": ""})
    assert (unauthorized.status_code, unauthorized.json()["code"]) == (401, 401)
    assert unauthorized.headers["www-authenticate"] == "Bearer"


async def open_paths(client: httpx.AsyncClient) -> None:
    for path in ("/", "/health", "/ready", "/docs", "/openapi.json"):
        assert (await client.get(path, headers={"Authorization": ""})).status_code == 200


async def watts(client: httpx.AsyncClient) -> None:
    assert GPU_EXAMPLE["gpus"][0]["power"]["limit_watts"] == 450_000
    assert (await gpu(client))["power"]["limit_watts"] == 450.0


async def fans(client: httpx.AsyncClient) -> None:
    first = await gpu(client)
    assert (first["fan_speed_rpm"], first["fan_speed_percent"]) == (None, 40)


async def bandwidth(client: httpx.AsyncClient) -> None:
    first = await gpu(client)
    detail = (await gpu(client, "?detail=1"))["detail"]["performance"]
    assert detail["dram_percent"] is not None, "an H100 has GPM"
    assert first["memory"]["bandwidth_utilization_percent"] != first["pcie"]["utilization_percent"]


async def sm_activity(client: httpx.AsyncClient) -> None:
    utilization = (await gpu(client))["utilization"]
    assert utilization["sm_percent"] != utilization["gpu_percent"]
    with Simulation(1, models=["a100"]):
        async with agent_client() as older:
            utilization = (await gpu(older))["utilization"]
    assert utilization["sm_percent"] == utilization["gpu_percent"]


async def unknown(_client: httpx.AsyncClient) -> None:
    with Simulation(1, scenario="not-supported"):
        async with agent_client() as knows_little:
            first = (await knows_little.get("/gpu")).json()["gpus"][0]
    assert first["power"]["usage_watts"] is None
    assert first["utilization"]["gpu_percent"] is None


async def keys_and_parameters(client: httpx.AsyncClient) -> None:
    del client.headers["Authorization"]
    for query in ("", "?api_key=wrong"):
        response = await client.get(f"/gpu/stream{query}")
        assert (response.status_code, response.json().keys()) == (401, FAILURE)
    response = await client.get("/gpu/stream?interval=61", headers=API_KEY)
    assert (response.status_code, response.json().keys()) == (400, FAILURE)


async def default_interval(_client: httpx.AsyncClient) -> None:
    for value in ("0.4", "61", "fast"):
        with pytest.raises(SettingsError, match="DEFAULT_STREAM_INTERVAL"):
            Settings.from_mapping({"DEFAULT_STREAM_INTERVAL": value})
    assert Settings.from_mapping({"DEFAULT_STREAM_INTERVAL": "60"}).default_stream_interval == 60


async def added_fields(client: httpx.AsyncClient) -> None:
    body, first = (await client.get("/gpu?detail=0&idx=0")).json(), await gpu(client)
    assert body.keys() - GPU_EXAMPLE.keys() == {"simulated", "health"}
    example = GPU_EXAMPLE["gpus"][0]
    assert first.keys() - example.keys() - {"top_processes"} == {
        *("uuid", "state", "age_ms", "error", "health", "fan_speed_percent")
    }
    assert first["throttling"].keys() - example["throttling"].keys() == {"reason_names"}
    assert first["pcie"].keys() - example["pcie"].keys() == {"current_generation", "current_width"}


async def carried_over(client: httpx.AsyncClient) -> None:
    first = await gpu(client)
    assert first["power"].keys() - GPU_EXAMPLE["gpus"][0]["power"].keys() == {"budget_watts"}
    assert first["power"]["budget_watts"] == 264.8
    assert set(first["top_processes"][0]) == {
        *("pid", "name", "username", "memory_mb", "memory_percent", "cpu_percent")
    }
    system_info = (await client.get("/gpu")).json()["system_info"]
    assert system_info.keys() - GPU_EXAMPLE["system_info"].keys() == {"hostname"}


async def not_carried_over(client: httpx.AsyncClient) -> None:
    assert (await client.get("/types")).status_code == 404
    first = await gpu(client, "?detail=1")
    gone = {"rate_of_change", "peak_values", "compute_capability", "performance_state"}
    assert not gone & first.keys()
    assert first["detail"]["board"]["compute_capability"] == "9.0"
    assert re.fullmatch(r"P\d+", first["detail"]["modes"]["performance_state"])


# By the first words of a point: its check, or the file that has its test.
SHOWN: dict[str, Any] = {
    "`/status/` and `/gpu/`": slashes,
    "Every failing answer": failures,
    "`/docs` and `/openapi.json`": documents,
    "One faulty GPU": "tests/http/test_envelope.py",
    "Paths, parameters": fields_of_status,
    "`?idx=2,0,2`": order,
    "The texts of `error`": words,
    "With `TOKEN` set": open_paths,
    "Before the first contact": "tests/http/test_envelope.py",
    "In `command` and names": "tests/sources/test_command_line.py",
    "`.env` next to": "tests/settings/test_environment.py",
    "`?process=NA`": "tests/views/test_status.py",
    "`power.limit_watts`": watts,
    "`fan_speed_rpm`": fans,
    "`memory.bandwidth_utilization_percent`": bandwidth,
    "`utilization.sm_percent`": sm_activity,
    "`throttling.is_throttled`": "tests/derive/test_throttling.py",
    "A value that the driver does not report": unknown,
    "`debug_info`": "tests/derive/test_activity.py",
    "A wrong or missing key": keys_and_parameters,
    "`DEFAULT_STREAM_INTERVAL`": default_interval,
    "A client of the stream": "tests/http/test_stream.py",
    "No CORS header": "tests/http/test_hosts_and_origins.py",
    "`TOKEN`, if set": "tests/http/test_authentication.py",
    "Added:": added_fields,
    "Carried over": carried_over,
    "Not carried over": not_carried_over,
}
HERE = [words for words, shown in SHOWN.items() if not isinstance(shown, str)]


@pytest.mark.parametrize("words", HERE)
async def test_each_point_of_the_document_is_true(words: str, client: httpx.AsyncClient) -> None:
    await SHOWN[words](client)


def test_every_point_of_the_document_has_a_check() -> None:
    points = [point.replace("\n ", "") for point in re.findall(r"^- (.*(?:\n  .*)*)", DOCUMENT, re.MULTILINE)]

    assert [[words for words in SHOWN if point.startswith(words)] for point in points] == [
        [words] for words in SHOWN
    ]
    assert [file for file in SHOWN.values() if isinstance(file, str) and not (ROOT / file).exists()] == []


def test_each_added_or_omitted_field_is_in_the_document() -> None:
    """This includes the fields that are not carried over."""
    named = set(re.findall(r"`(?:\w+\.)*(\w+)`", DOCUMENT))
    assert named >= {
        *(
            "uuid",
            "state",
            "age_ms",
            "error",
            "health",
            "simulated",
            "reason_names",
            "hostname",
            "cpu_percent",
        ),
        *("current_generation", "current_width", "fan_speed_percent", "budget_watts", "top_processes"),
        *("rate_of_change", "peak_values", "compute_capability", "performance_state"),
    }
