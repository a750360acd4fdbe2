"""`/ready`: the number of each verdict, and a status for checks that use only the status."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent.routes.ready import Readiness
from agent.simulation import Simulation
from tests.http.wire import error_in
from tests.support.agents import ROOT, agent_client, hung_agent_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def host(trouble: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an agent with four GPUs. The second GPU, or the host, has this trouble."""
    with Simulation(4) as simulation:
        sick = simulation.gpus[1]
        match trouble:
            case "a warning":
                sick.error_counters.remapping_pending = True
            case "a critical GPU":
                sick.lose()
            case "two critical GPUs":
                sick.lose()
                simulation.gpus[2].lose()
            case "a missing GPU" | "a GPU that is gone":
                sick.vanish()
        expected = "4" if trouble == "a missing GPU" else "0"
        async with agent_client(EXPECTED_GPUS=expected) as client:
            yield client


async def test_each_verdict_has_its_number_of_gpus() -> None:
    async with host("a critical GPU") as client:
        assert (await client.get("/ready")).json()["health"] == {"healthy": 3, "warning": 0, "critical": 1}


@pytest.mark.parametrize("document", ["SECURITY.md", "docs/authentication.md"])
def test_the_documents_say_what_everybody_may_read(document: str) -> None:
    words = {
        "gpus": "the number of GPUs by state",
        "health": "and by verdict",
        "host": "the names of the findings about the host",
        "state": "the state of `STATE_DIR`",
    }
    assert Readiness.model_fields.keys() - {"status"} == words.keys()
    told = " ".join((ROOT / document).read_text().split())
    assert f"Of these only `/ready` has data of the host: {words['gpus']} {words['health']}" in told
    assert [one for one in words.values() if one not in told] == []
    assert "the driver's error while there is no driver. It names no GPU, user or process." in told


async def test_what_everybody_may_read_names_no_gpu_user_or_process() -> None:
    async with host("a critical GPU") as client:
        text = (await client.get("/gpu")).text
        names = re.findall(r'"(?:uuid|name|username|hostname)": ?("[^"]+")', text)
        opened = [await client.get(path) for path in ("/ready", "/ready?require=healthy", "/health")]
    assert len(set(names)) > 4
    assert [name for name in names for answer in opened if name in answer.text] == []


@pytest.mark.parametrize("trouble", ["nothing", "a warning"])
async def test_require_healthy_is_200_if_nothing_is_critical(trouble: str) -> None:
    async with host(trouble) as client:
        plain, required = await client.get("/ready"), await client.get("/ready?require=healthy")

    assert plain.json()["health"]["warning"] == (1 if trouble == "a warning" else 0)
    assert (required.status_code, required.json()) == (200, plain.json())


@pytest.mark.parametrize(
    ("trouble", "critical"),
    [
        ("a critical GPU", "1 GPU"),
        ("two critical GPUs", "2 GPUs"),
        ("a missing GPU", "the host (gpus_missing)"),
    ],
)
async def test_require_healthy_is_503_if_a_gpu_or_the_host_is_critical(trouble: str, critical: str) -> None:
    async with host(trouble) as client:
        plain, required = await client.get("/ready"), await client.get("/ready?require=healthy")
        head = await client.head("/ready?require=healthy")

    assert plain.status_code == 200, "the host can still serve clients"
    assert (required.status_code, head.status_code) == (503, 503)
    assert error_in(required) == f"Critical: {critical}; /summary and /status say why"
    assert required.headers["retry-after"] == "1"


async def test_critical_gpus_and_a_critical_host_are_in_one_error() -> None:
    with Simulation(4) as simulation:
        simulation.gpus[0].vanish()
        simulation.gpus[1].lose()
        async with agent_client(EXPECTED_GPUS="4") as client:
            required = await client.get("/ready?require=healthy")

    assert error_in(required).startswith("Critical: 1 GPU and the host (gpus_missing);")


async def test_ready_contains_no_name_of_a_gpu_a_user_or_the_host() -> None:
    """No credential is required for it."""
    async with host("a critical GPU") as client:
        status = (await client.get("/status")).json()["data"]
        answers = [(await client.get(f"/ready{query}")).text for query in ("", "?require=healthy")]

    secrets = {str(device[name]) for device in status["devices"] for name in ("uuid", "name")}
    secrets |= {process["username"] for process in status["processes"]}
    assert len(secrets) > 4
    assert [secret for secret in secrets if secret in json.dumps(answers)] == []


@pytest.mark.parametrize("require", ["warning", "Healthy", "1"])
async def test_an_unknown_value_of_require_is_refused(require: str) -> None:
    async with host("nothing") as client:
        response = await client.get(f"/ready?require={require}")

    assert response.status_code == 400
    assert f"Invalid require: it should be 'healthy' or '', got '{require}'" in error_in(response)


async def test_an_empty_require_requires_nothing() -> None:
    async with host("a critical GPU") as client:
        assert (await client.get("/ready?require=")).status_code == 200


async def test_before_the_first_contact_require_healthy_is_503() -> None:
    with Simulation(2) as simulation:
        simulation.hang("nvmlInitWithFlags")
        async with hung_agent_client() as client:
            response = await client.get("/ready?require=healthy")
            simulation.release()  # the end of the agent would wait for it

    assert response.status_code == 503
