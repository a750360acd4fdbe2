"""/health answers while the app is made. Every other request waits for the app."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.app import create_app
from agent.server.early import PATIENCE, EarlyApp
from agent.simulation import Simulation
from tests.support.agents import settings
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.applications import Starlette

pytestmark = pytest.mark.anyio

ORIGIN = "https://a.example"
COMMON = {"TOKEN": "hunter2", "CORS_ORIGINS": ORIGIN, "ALLOWED_HOSTS": "gpu.example"}


class Start:
    """An agent whose app is made when the test permits it."""

    def __init__(self, *, patience: float = PATIENCE, **environ: str) -> None:
        self.settings = settings(**COMMON, **environ)
        self.may_be_made = threading.Event()
        self.made: Starlette | None = None
        simulated = bool(self.settings.simulate_gpus)
        self.app = EarlyApp(
            self._make, prefix=self.settings.url_prefix, simulated=simulated, patience=patience
        )
        transport = httpx.ASGITransport(self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://192.0.2.1")

    def _make(self) -> Starlette:
        assert self.may_be_made.wait(10)
        self.made = create_app(self.settings, contained=False)
        return self.made

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Start the app as the server does."""
        self.may_be_made.set()
        await self.app.make()
        assert self.made is not None
        async with self.made.router.lifespan_context(self.made):
            self.app.complete()
            yield


@pytest.fixture(
    params=[{}, {"URL_PREFIX": "/lab"}, {"SIMULATE_GPUS": "2"}], ids=["plain", "prefix", "simulated"]
)
def start(request: pytest.FixtureRequest) -> Start:
    return Start(**request.param)


async def test_the_early_answer_of_health_equals_that_of_the_app(start: Start) -> None:
    path = f"{start.settings.url_prefix}/health"
    with Simulation(1):
        early = await start.client.get(path)
        async with start.serving():
            late = await start.client.get(path)
    assert (early.status_code, late.status_code) == (200, 200)
    assert early.content == late.content
    # CORS_ORIGINS adds this header, which an answer that may not be stored does not need.
    assert {*early.headers.raw, (b"vary", b"Origin")} == set(late.headers.raw)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("GET", "/count", {"Authorization": "hunter2", "Host": "gpu.example"}, 200, id="data"),
        pytest.param("GET", "/count", {"Host": "gpu.example"}, 401, id="no credential"),
        pytest.param("GET", "/count", {"Authorization": "hunter2"}, 400, id="a foreign host"),
        pytest.param("GET", "/health?x=1", {}, 200, id="a query"),
        pytest.param("HEAD", "/health", {}, 200, id="HEAD"),
        pytest.param("POST", "/health", {}, 405, id="POST"),
        pytest.param("GET", "/health", {"Origin": ORIGIN}, 200, id="a page of another origin"),
        pytest.param("GET", "/lab/health", {"Host": "gpu.example"}, 401, id="another prefix"),
    ],
)
async def test_every_other_request_waits_for_the_app(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    start = Start(SIMULATE_GPUS="2")
    asking = asyncio.create_task(start.client.request(method, path, headers=headers))
    await asyncio.sleep(0.05)
    assert not asking.done()
    async with start.serving():
        answer = await asking
        again = await start.client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert (answer.content, sorted(answer.headers.raw)) == (again.content, sorted(again.headers.raw))


async def test_an_exception_while_the_app_is_made_reaches_the_waiting_server() -> None:
    def fail() -> Starlette:
        raise LookupError("unforeseen")

    with pytest.raises(LookupError, match="unforeseen"):
        await EarlyApp(fail, prefix="", simulated=False).make()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_cancelled_start_leaves_its_thread_without_an_error_message() -> None:
    may_end = threading.Event()

    def hang() -> Starlette:
        may_end.wait(10)
        raise LookupError("too late to be reported")

    making = asyncio.create_task(EarlyApp(hang, prefix="", simulated=False).make())
    await asyncio.sleep(0)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "start"]
    assert thread.daemon, "the process ends without it"
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    may_end.set()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


NOT_STARTED = {"code": 2, "data": None, "error": "The agent has not started; try again later"}


async def test_a_start_that_is_given_up_answers_every_waiting_request_with_503() -> None:
    start = Start()
    asking = [asyncio.create_task(start.client.get("/count")) for _ in range(3)]
    await asyncio.sleep(0)
    giving_up = asyncio.create_task(start.app.give_up())
    for _ in range(100):  # turns of the event loop: it is not the time that ends it
        await asyncio.sleep(0)
    assert giving_up.done()
    for one in asking:
        answer = await one
        assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (503, NOT_STARTED, "1")


async def test_giving_up_has_no_effect_once_the_app_has_started() -> None:
    start = Start(SIMULATE_GPUS="1")
    async with start.serving():
        await start.app.give_up()
        assert (await start.client.get("/health")).json() == {"status": "ok", "simulated": True}


async def test_health_stops_answering_after_30_seconds_of_a_start_that_hangs() -> None:
    clock = Clock(0.0)
    app = EarlyApp(lambda: pytest.fail("never made"), prefix="", simulated=False, clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
        clock.now = 29.9
        assert (await client.get("/health")).status_code == 200
        clock.now = 30.0
        asking = asyncio.create_task(client.get("/health"))
        await asyncio.sleep(0)
        await app.give_up()
        assert (await asking).status_code == 503


async def test_of_257_waiting_requests_one_is_refused() -> None:
    start = Start()
    requests = [asyncio.create_task(start.client.get("/count")) for _ in range(257)]
    refused, waiting = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
    assert [(await request).json() for request in refused] == [NOT_STARTED]
    await start.app.give_up()
    assert {(await request).status_code for request in waiting} == {503}


async def test_a_request_waits_for_a_start_30_seconds_at_most() -> None:
    assert PATIENCE == 30.0
    assert (await Start(patience=0.01).client.get("/count")).json() == NOT_STARTED
