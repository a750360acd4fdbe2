"""Health of the host through the whole agent, in every answer that has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.simulation import Simulation
from tests.http.schema import faults, response_schema
from tests.http.wire import error_in
from tests.support import loopback
from tests.support.agents import agent_client, agent_server

pytestmark = pytest.mark.anyio

MISSING = "1 of the 8 expected GPUs is missing"
CRITICAL = {"verdict": "critical", "reasons": [MISSING]}


def series(text: str, name: str) -> dict[str, float]:
    """The values of one family, by its name with labels."""
    samples = (line.removeprefix("nvidia_gpu_").rpartition(" ") for line in text.splitlines())
    return {labelled: float(value) for labelled, _, value in samples if labelled.startswith(name)}


async def test_a_missing_gpu_is_in_every_answer_with_the_health_of_the_host() -> None:
    with Simulation(8) as simulation:
        simulation.gpus[1].vanish()
        async with agent_client(EXPECTED_GPUS="8") as client:
            plain = (await client.get("/gpu")).json()
            chosen = (await client.get("/gpu?idx=3&detail=1")).json()
            status = (await client.get("/status?idx=0")).json()["data"]
            count = (await client.get("/count")).json()["data"]
            ready = await client.get("/ready")
            metrics = (await client.get("/metrics")).text

    assert plain["health"] == chosen["health"] == CRITICAL
    assert "findings" not in plain
    (finding,) = chosen["findings"]
    assert (finding["name"], finding["verdict"], finding["what"]) == ("gpus_missing", "critical", MISSING)
    assert status["health"] == {"verdict": "critical", "reasons": [f"{MISSING}; {finding['todo']}"]}
    assert (plain["gpu_count"], status["count"], count) == (7, 7, 7)
    assert plain["status"] == "ok", "each GPU that is there could be read"
    assert {gpu["health"]["verdict"] for gpu in plain["gpus"]} == {"healthy"}
    assert ready.status_code == 200
    assert ready.json()["host"] == {"verdict": "critical", "findings": {"gpus_missing": "critical"}}
    assert "8" not in json.dumps(ready.json()["host"])
    assert series(metrics, "agent_expected_gpus") == {"agent_expected_gpus": 8}
    assert series(metrics, "agent_gpus") == {"agent_gpus": 7}
    assert series(metrics, "host_health") == {
        'host_health_verdict{verdict="healthy"}': 0,
        'host_health_verdict{verdict="warning"}': 0,
        'host_health_verdict{verdict="critical"}': 1,
        'host_health_finding{finding="gpus_missing",verdict="critical"}': 1,
    }


@pytest.mark.parametrize("environ", [{}, {"EXPECTED_GPUS": "2"}, {"EXPECTED_GPUS": "1"}])
async def test_a_host_with_all_its_gpus_is_healthy(environ: dict[str, str]) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].lose()
        async with agent_client(**environ) as client:
            gpu = (await client.get("/gpu?detail=1")).json()
            status = (await client.get("/status")).json()["data"]
            ready = (await client.get("/ready")).json()
            metrics = (await client.get("/metrics")).text

    assert gpu["health"] == status["health"] == {"verdict": "healthy", "reasons": []}
    assert gpu["findings"] == []
    assert ready["host"] == {"verdict": "healthy", "findings": {}}
    assert series(metrics, "host_health_finding") == {}
    assert series(metrics, "agent_expected_gpus") == {
        "agent_expected_gpus": float(environ.get("EXPECTED_GPUS", "0"))
    }


async def test_a_gpu_in_mig_mode_counts_as_one_expected_gpu() -> None:
    with Simulation(2, scenario="mig"):
        async with agent_client(EXPECTED_GPUS="2") as client:
            status = (await client.get("/status?mig=1")).json()["data"]

    assert len(status["devices"]) > 2
    assert (status["count"], status["health"]["verdict"]) == (2, "healthy")


async def test_without_a_driver_a_host_that_expects_gpus_is_critical() -> None:
    with Simulation(2) as simulation:
        simulation.remove_driver()
        async with agent_client(EXPECTED_GPUS="8") as client:
            answers = [await client.get(path) for path in ("/gpu", "/status", "/count")]
            ready = await client.get("/ready")
            metrics = (await client.get("/metrics")).text

    assert [answer.status_code for answer in answers] == [500] * 3
    assert ready.status_code == 503
    assert "8" not in error_in(ready)
    assert series(metrics, "agent_expected_gpus") == {"agent_expected_gpus": 8}
    assert series(metrics, "host_health_verdict")['host_health_verdict{verdict="critical"}'] == 1
    assert series(metrics, "host_health_finding") == {
        'host_health_finding{finding="no_driver",verdict="critical"}': 1
    }


async def test_without_a_driver_and_expected_gpus_the_host_is_not_judged() -> None:
    with Simulation(2) as simulation:
        simulation.remove_driver()
        async with agent_client() as client:
            metrics = (await client.get("/metrics")).text

    assert series(metrics, "host_health") == {}


async def test_the_answers_conform_to_the_openapi_document() -> None:
    with Simulation(3) as simulation:
        simulation.gpus[0].vanish()
        async with agent_client(EXPECTED_GPUS="3") as client:
            document = (await client.get("/openapi.json")).json()
            found: dict[str, list[str]] = {}
            for question in ("/gpu", "/gpu?detail=1", "/status", "/ready"):
                body: Any = (await client.get(question)).json()
                schema = response_schema(document, question.partition("?")[0], 200)
                found[question] = list(faults(body, schema, document))

    assert found == {"/gpu": [], "/gpu?detail=1": [], "/status": [], "/ready": []}


def test_each_event_of_the_stream_has_the_verdict_on_the_host() -> None:
    with Simulation(8) as simulation:
        simulation.gpus[1].vanish()
        with (
            agent_server(EXPECTED_GPUS="8") as url,
            loopback.stream("GET", f"{url}/gpu/stream?interval=0.5&idx=0", timeout=20) as response,
        ):
            events = (line for line in response.iter_lines() if line.startswith("data: "))
            healths = [json.loads(next(events).removeprefix("data: "))["health"] for _ in range(2)]

    assert healths == [CRITICAL, CRITICAL]
