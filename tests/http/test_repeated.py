"""A request that is repeated on its connection is admitted, refused and answered like the first time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent.app import create_app
from agent.http.repeated import MEMORY_KEY, PASSAGE_KEY
from agent.simulation import Simulation
from tests.support import loopback
from tests.support.agents import agent_server, first_contact, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from starlette.applications import Starlette
    from starlette.types import Message

TOKEN = "a-token"  # noqa: S105  of these tests
ORIGIN = "https://page.example"
GUARDED = {
    "URL_PREFIX": "/server1",
    "TOKEN": TOKEN,
    "METRICS_TOKEN": "of-metrics",
    "ALLOWED_HOSTS": "127.0.0.1",
    "CORS_ORIGINS": ORIGIN,
    "SAMPLE_INTERVAL": "60",
}
WELCOME = {"Authorization": TOKEN}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Simulation(gpus=2), agent_server(**GUARDED) as url:
        yield f"{url}/server1"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/status", WELCOME, 200),
        ("/status", WELCOME | {"Accept-Encoding": "gzip"}, 200),
        ("/status", WELCOME | {"Accept-Encoding": "identity"}, 200),
        ("/status/", WELCOME, 200),
        ("/status?idx=0", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ("/status?idx=x", WELCOME, 400),
        ("/status", {}, 401),
        ("/status", {"Authorization": "of-metrics"}, 401),
        ("/metrics", {"Authorization": "of-metrics"}, 200),
        ("/status", WELCOME | {"Host": "elsewhere.example"}, 400),
        ("/status", WELCOME | {"Origin": ORIGIN}, 200),
        ("/status", WELCOME | {"Origin": "https://elsewhere.example"}, 200),
        ("/", {}, 200),
        ("/", {"If-None-Match": "*"}, 304),
        ("/nothing", WELCOME, 404),
    ],
)
def test_a_repeated_request_gets_the_same_answer(
    url: str, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    def ask(client: httpx.Client) -> tuple[int, dict[str, str], bytes]:
        answer = client.request(method, url + path, headers=headers)
        own = {name: value for name, value in answer.headers.items() if name != "date"}
        return answer.status_code, own, answer.content

    with loopback.Client() as client:
        first, *others = [ask(client) for _ in range(3)]
    assert first[0] == status
    assert others == [first] * 2
    assert (ORIGIN in first[1].values()) == (headers.get("Origin") == ORIGIN)
    assert not (method == "HEAD" and first[2])


class Asking:
    """A server that passes the same memory with each request, as ours does for identical bytes."""

    def __init__(self, app: Starlette, method: str = "GET", **headers: str) -> None:
        self.app = app
        self.memory: dict[int, object] = {}
        self.method = method
        self.path = "/count"
        self.headers = headers

    async def ask(self) -> tuple[int, bytes]:
        """Status and body."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            await asyncio.Event().wait()  # the client stays
            raise AssertionError

        scope: dict[str, Any] = {
            "type": "http",
            "method": self.method,
            "path": self.path,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in self.headers.items()],
            MEMORY_KEY: self.memory,
        }
        await self.app(scope, receive, send)
        assert (
            not {MEMORY_KEY, PASSAGE_KEY} & scope.keys()
        )  # or the scope would refer to itself through `send`
        return sent[0]["status"], sent[1]["body"]


@pytest.mark.anyio
async def test_a_repeated_request_is_authenticated_again_only_after_the_tokens_change(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tokens"
    path.write_text("old\n")
    with Simulation(gpus=1):
        app = create_app(settings(TOKEN_FILE=str(path), SAMPLE_INTERVAL="60"), contained=False)
        async with app.router.lifespan_context(app):
            await first_contact(app.state.shared.sampler)
            asking = Asking(app, Authorization="old")
            first = await asking.ask()
            assert first[0] == 200
            asking.headers = {}  # without a credential, to see whether it is checked
            assert await asking.ask() == first
            new = path.with_name("new")
            new.write_text("new\n")
            new.replace(path)
            await app.state.shared.tokens.reload_if_changed()
            assert (await asking.ask())[0] == 401
            asking.headers = {"Authorization": "new"}
            assert await asking.ask() == first
            assert len(asking.memory) == 1, "only what was asked with the tokens in force"


@pytest.mark.anyio
async def test_a_repeated_request_for_a_constant_answer_is_not_checked_again() -> None:
    with Simulation(gpus=1):
        app = create_app(settings(ALLOWED_HOSTS="gpu.example"), contained=False)
        async with app.router.lifespan_context(app):
            asking = Asking(app, Host="gpu.example")
            asking.path = "/openapi.json"
            first = await asking.ask()
            assert first[0] == 200
            asking.headers = {"Host": "elsewhere.example"}  # shows whether anything checks the request
            assert await asking.ask() == first


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "headers"),
    [
        pytest.param("HEAD", {}, id="HEAD, whose answer has no body"),
        pytest.param("GET", {"Origin": ORIGIN}, id="another origin, whose answer says so"),
    ],
)
async def test_a_request_whose_answer_depends_on_its_headers_is_not_remembered(
    method: str, headers: dict[str, str]
) -> None:
    with Simulation(gpus=1):
        app = create_app(settings(CORS_ORIGINS=ORIGIN), contained=False)
        async with app.router.lifespan_context(app):
            await first_contact(app.state.shared.sampler)
            asking = Asking(app, method, **headers)
            for _ in range(2):
                assert (await asking.ask())[0] == 200
            assert not asking.memory


@pytest.mark.anyio
async def test_a_repeated_request_gets_a_new_answer_after_a_new_snapshot() -> None:
    with Simulation(gpus=1):
        app = create_app(settings(SAMPLE_INTERVAL="60"), contained=False)
        async with app.router.lifespan_context(app):
            shared = app.state.shared
            await first_contact(shared.sampler)
            asking = Asking(app)
            await asking.ask()
            await asking.ask()
            made = shared.answers_made["/count"]
            await shared.sampler.latest(max_age=0)
            assert (await asking.ask())[0] == 200
            assert shared.answers_made["/count"] == made + 1
