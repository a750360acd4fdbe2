"""The shape of every answer: success, and every failure, in each state of the driver."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from agent.http import errors
from agent.simulation import NvmlReturn, Simulation
from tests.http.wire import error_in
from tests.support.agents import agent_client, hung_agent_client
from tests.support.endpoints import OF_THE_DRIVER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from starlette.requests import Request
    from starlette.responses import Response

pytestmark = pytest.mark.anyio

NOT_YET = "The NVIDIA driver has not answered yet; try again in a second"


@pytest.fixture
def hung_at_first_contact(simulation: Simulation) -> Iterator[Simulation]:
    """A driver whose nvmlInit does not return."""
    simulation.hang("nvmlInitWithFlags")
    simulation.hang("nvmlInit_v2")
    yield simulation
    simulation.release()


@pytest.mark.usefixtures("simulation")
async def test_a_successful_answer_has_only_code_and_data() -> None:
    """This is the shape of the first seed."""
    async with agent_client() as client:
        count = await client.get("/count")
        assert (count.status_code, count.content) == (200, b'{"code":0,"data":2}')
        assert count.headers["content-type"] == "application/json"
        status = (await client.get("/status")).json()
        assert list(status) == ["code", "data"]
        assert status["code"] == 0
        assert list(status["data"]) == ["count", "devices", "processes", "health"]


@pytest.mark.usefixtures("simulation")
async def test_the_answer_of_gpu_has_no_envelope() -> None:
    """This is the shape of the second seed."""
    async with agent_client() as client:
        body = (await client.get("/gpu")).json()
    assert {"code", "data"}.isdisjoint(body)
    assert {"timestamp", "system_info", "gpu_count", "gpus", "summary", "status"} <= body.keys()
    assert body["status"] == "ok"


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("absent", "install the driver, or give the container the NVIDIA runtime (--gpus all)"),
        ("not_loaded", "load it with: modprobe nvidia"),
        ("mismatched", "after a driver upgrade reload the module, or reboot"),
    ],
)
async def test_without_a_driver_every_data_path_says_what_to_do(
    simulation: Simulation, kind: Literal["absent", "not_loaded", "mismatched"], advice: str
) -> None:
    """The status is 500 and the code 2, but the agent itself is healthy."""
    simulation.remove_driver(kind)
    async with agent_client() as client:
        for path in OF_THE_DRIVER:
            response = await client.get(path)
            assert (500, path) == (response.status_code, path)
            assert error_in(response).endswith(advice)
        ready = await client.get("/ready")
        assert ready.status_code == 503
        assert error_in(ready).endswith(advice)
        assert ready.headers["retry-after"] == "1"
        health = await client.get("/health")
        assert (health.status_code, health.json()) == (200, {"status": "ok"})


async def test_a_driver_that_is_loaded_later_is_used_without_a_restart(simulation: Simulation) -> None:
    """No earlier answer is cached."""
    simulation.remove_driver()
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        assert (await client.get("/count")).status_code == 500
        simulation.restore_driver()
        async with asyncio.timeout(20):
            while (response := await client.get("/count")).status_code != 200:
                assert response.status_code == 500
        assert response.json() == {"code": 0, "data": 2}


@pytest.mark.parametrize("path", [*OF_THE_DRIVER, "/ready"])
async def test_before_the_first_contact_with_the_driver_the_status_is_503(
    path: str, hung_at_first_contact: Simulation
) -> None:
    """The answer is never "0 GPUs", and the client may try again in a second."""
    async with hung_agent_client() as client:
        response = await client.get(path)
        hung_at_first_contact.release()  # the end of the agent would wait for it
    assert (response.status_code, error_in(response)) == (503, NOT_YET)
    assert response.headers["retry-after"] == "1"


async def test_a_first_contact_that_takes_too_long_is_reported_as_a_hang(
    hung_at_first_contact: Simulation,
) -> None:
    async with hung_agent_client(SAMPLE_TIMEOUT="0.5", SAMPLE_INTERVAL="0.5") as client:
        while error_in(await client.get("/count")) == NOT_YET:
            pass
        answers = [await client.get(path) for path in ("/count", "/ready")]
        hung_at_first_contact.release()  # the end of the agent would wait for it
    hangs = (
        "The NVIDIA driver has not answered yet, and a call to it does not return;"
        " look for XID errors in dmesg; if it persists, reboot"
    )
    assert [(answer.status_code, error_in(answer)) for answer in answers] == [(503, hangs)] * 2


async def test_a_bad_request_is_refused_even_before_first_contact(
    hung_at_first_contact: Simulation,
) -> None:
    """Its fault does not depend on any GPU."""
    async with hung_agent_client() as client:
        assert (await client.get("/status?idx=a")).status_code == 400
        assert (await client.get("/gpu?idx=a")).status_code == 400
        hung_at_first_contact.release()  # the end of the agent would wait for it


async def test_health_never_touches_the_driver(simulation: Simulation) -> None:
    """A process supervisor asks often, and must get an answer even if the driver hangs."""
    # No sample is taken meanwhile for another reason.
    async with agent_client(SAMPLE_INTERVAL="60", HISTORY_INTERVAL="0") as client:
        await client.get("/count")
        before = 0
        while before < (before := simulation.total_calls):  # noqa: ASYNC110  (threads end the first sample)
            await asyncio.sleep(0.2)
        simulation.hang()
        simulation.reset_calls()
        for _ in range(20):
            response = await client.get("/health")
            assert (response.status_code, response.json()) == (200, {"status": "ok"})
        calls = simulation.total_calls
        simulation.release()
    assert calls == 0


@pytest.mark.usefixtures("simulation")  # at its end it removes the one that the agent installs
async def test_health_reports_that_the_driver_is_simulated() -> None:
    """It does so only for a simulated driver, so that these numbers are not taken for real ones."""
    async with agent_client(SIMULATE_GPUS="2") as client:
        assert (await client.get("/health")).json() == {"status": "ok", "simulated": True}
        assert (await client.get("/gpu")).json()["simulated"] is True
        assert (await client.get("/count")).json()["data"] == 2


async def test_ready_is_200_while_at_least_one_gpu_is_ok(simulation: Simulation) -> None:
    """A host with one lost GPU of two can still be used."""
    simulation.gpus[1].lose()
    async with agent_client() as client:
        response = await client.get("/ready")
        assert (
            response.status_code,
            response.json(),
        ) == (
            200,
            {
                "status": "ready",
                "gpus": {"ok": 1, "lost": 1},
                "health": {"healthy": 1, "warning": 0, "critical": 1},
                "host": {"verdict": "healthy", "findings": {}},
                "state": None,
            },
        )
    simulation.gpus[0].lose()
    async with agent_client() as client:
        response = await client.get("/ready")
        assert (response.status_code, error_in(response)) == (503, "No GPU is ok: 2 lost")


async def test_a_host_without_gpus_has_count_0_and_no_error(simulation: Simulation) -> None:
    """This is no failure, but the host is not ready for clients."""
    simulation.gpus.clear()
    async with agent_client() as client:
        assert (await client.get("/count")).json() == {"code": 0, "data": 0}
        status = (await client.get("/status")).json()["data"]
        assert (status["count"], status["devices"], status["processes"]) == (0, [], [])
        body = (await client.get("/gpu")).json()
        assert (body["gpu_count"], body["gpus"], body["status"]) == (0, [], "ok")
        none = await client.get("/status?idx=0")
        assert error_in(none) == "Invalid GPU index: idx=0; the indices of this host: none"
        ready = await client.get("/ready")
        assert (ready.status_code, error_in(ready)) == (503, "No GPU is ok: there is none")


async def test_a_lost_gpu_does_not_make_an_answer_fail(simulation: Simulation) -> None:
    """The GPU stays listed with its state and its error, and the others are not affected."""
    simulation.gpus[1].lose()
    async with agent_client() as client:
        devices = (await client.get("/status")).json()["data"]["devices"]
        assert [gpu["state"] for gpu in devices] == ["ok", "lost"]
        assert [gpu["idx"] for gpu in devices if "error" in gpu] == [1]
        body = (await client.get("/gpu")).json()
        assert body["status"] == "degraded"
        assert [gpu["id"] for gpu in body["gpus"] if gpu["error"] is not None] == [1]


@pytest.mark.parametrize("symbol", ["nvmlDeviceGetCount_v2"])
async def test_a_driver_that_cannot_count_its_gpus_is_an_error_envelope(
    simulation: Simulation, symbol: str
) -> None:
    """The error has the message of NVML."""
    simulation.fail(symbol, NvmlReturn.UNKNOWN)
    async with agent_client() as client:
        for path in OF_THE_DRIVER:
            response = await client.get(path)
            assert response.status_code == 500
            assert error_in(response).startswith("The NVIDIA driver does not answer: Unknown Error; ")


async def test_an_internal_error_is_an_envelope_without_details() -> None:
    """The traceback is in the log. A client does not need it, but an attacker could use it."""

    async def breaks(_request: Request) -> Response:
        raise RuntimeError("s3cret")

    app = Starlette(routes=[Route("/", breaks)])
    errors.install(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
        response = await client.get("/")
    assert (
        response.status_code,
        error_in(response),
    ) == (500, "The agent failed while answering; its log says why")


@pytest.mark.parametrize(
    ("error", "code", "status", "headers"),
    [
        (errors.InvalidRequest("why"), 1, 400, {}),
        (errors.NotSet("why"), 1, 404, {}),
        (errors.Unauthorized("why"), 401, 401, {"www-authenticate": "Bearer"}),
        (errors.NoDriver("why"), 2, 500, {}),
        (errors.TryAgainLater("why"), 2, 503, {"retry-after": "1"}),
    ],
)
def test_each_failure_has_its_code_and_its_status(
    error: errors.AgentError, code: int, status: int, headers: dict[str, str]
) -> None:
    response = errors.response_to(error)

    body = f'{{"code":{code},"data":null,"error":"why"}}'
    assert (response.status_code, bytes(response.body).decode()) == (status, body)
    assert dict(response.headers) == {
        "content-type": "application/json",
        "content-length": f"{len(body)}",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **headers,
    }


@pytest.mark.parametrize("status", [404, 405, 413, 415, 418, 500, 501, 503])
async def test_an_http_exception_of_the_framework_becomes_an_envelope(status: int) -> None:
    """The headers of the exception are kept."""

    async def refuses(_request: Request) -> Response:
        raise HTTPException(status, "Some reason there is", {"X-Reason": "kept"})

    app = Starlette(routes=[Route("/", refuses)])
    errors.install(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
        response = await client.get("/")
    assert (status, "kept") == (response.status_code, response.headers["x-reason"])
    assert error_in(response)


@pytest.mark.usefixtures("simulation")
@pytest.mark.parametrize("value", ["bytes=a-b,c", "bytes=99999999-", "bytes=0-0"])
async def test_a_range_request_gets_the_whole_file(value: str) -> None:
    """The whole file is always a correct answer. A refusal would not be an envelope."""
    async with agent_client() as client:
        whole = await client.get("/static-offline-docs/favicon.png")
        part = await client.get("/static-offline-docs/favicon.png", headers={"Range": value})
    assert (part.status_code, part.content) == (200, whole.content)
