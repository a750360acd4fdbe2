"""An answer made once is kept as long as its Snapshot is the newest, and nobody can tell but by the time."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import httpx
import pytest
from agent.answers import MAX_ANSWERS, Answers, PerSnapshot

from agent.agent import Agent
from agent.readings import Snapshot
from tests.http.wire import A_TOKEN
from tests.support.agents import agent_client, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from agent.sampling.sampler import Sampler

pytestmark = pytest.mark.anyio

ORIGINS = ["https://one.example", "https://two.example"]


class FixedSampler:
    """Hands out the Snapshot that a test says."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(taken_at=0, taken_monotonic=0)

    async def latest(self) -> Snapshot:
        return self.snapshot

    def take(self) -> None:
        """A new Snapshot."""
        taken = self.snapshot.taken_monotonic + 1
        self.snapshot = Snapshot(taken_at=taken, taken_monotonic=taken)


class CountingApp:
    """Stands where the routes are: counts how often it is asked; ?fail is a bad request."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        question = f"{scope['path']}?{scope['query_string'].decode()}"
        self.asked[question] += 1
        status = 400 if scope["query_string"] == b"fail" else 200
        body = f"{question} answer {self.asked[question]}".encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        half = len(body) // 2
        await send({"type": "http.response.body", "body": body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": body[half:]})


@asynccontextmanager
async def counting() -> AsyncIterator[tuple[httpx.AsyncClient, CountingApp, FixedSampler]]:
    """A client of `/a` and `/b`, which are kept, and all else, which is not."""
    agent, app, sampler = Agent(settings()), CountingApp(), FixedSampler()
    agent.sampler = cast("Sampler", sampler)
    answers = Answers(app, agent=agent, paths=frozenset({"/a", "/b"}))
    transport = httpx.ASGITransport(answers)
    async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
        yield client, app, sampler


async def test_the_same_question_is_worked_out_once_per_snapshot() -> None:
    """The bytes, status and headers are the same; a new Snapshot has new ones."""
    async with counting() as (client, app, sampler):
        first, again = await client.get("/a?x"), await client.get("/a?x")
        assert b"/a?x answer 1" == first.content == again.content
        assert (200, first.headers) == (again.status_code, again.headers)
        sampler.take()
        assert (await client.get("/a?x")).content == b"/a?x answer 2"
        assert app.asked["/a?x"] == 2


async def test_another_question_has_another_answer() -> None:
    """Another path or another query, however alike."""
    async with counting() as (client, app, _):
        for question in ("/a?", "/b?", "/a?idx=1", "/a?idx=2", "/a?idx=01", "/a?IDX=1"):
            for _ in range(2):
                assert f"{question} answer 1" == (await client.get(question)).text
        assert {1} == set(app.asked.values())


async def test_a_failing_answer_is_not_kept() -> None:
    """Nobody can fill the memory with mistakes, and a failure may be over."""
    async with counting() as (client, app, _):
        assert [(await client.get("/a?fail")).status_code for _ in range(2)] == [400, 400]
        assert app.asked["/a?fail"] == 2


async def test_other_paths_and_methods_go_through() -> None:
    """They are not about a Snapshot."""
    async with counting() as (client, app, _):
        for _ in range(2):
            await client.get("/other")
            await client.post("/a")
        assert app.asked == {"/other?": 2, "/a?": 2}


async def test_no_more_answers_are_kept_than_fit() -> None:
    """A client may invent any number of questions; each is answered all the same."""
    async with counting() as (client, app, _):
        for _ in range(2):
            for number in range(MAX_ANSWERS + 5):
                assert (await client.get(f"/a?{number}")).status_code == 200
        assert Counter(app.asked.values()) == {1: MAX_ANSWERS, 2: 5}


async def test_an_older_snapshots_answer_is_not_kept() -> None:
    """One that was being made while a newer Snapshot came."""
    old, new = Snapshot(taken_at=1, taken_monotonic=1), Snapshot(taken_at=2, taken_monotonic=2)
    answers: PerSnapshot[str, str] = PerSnapshot()
    answers.put(new, "question", "new")
    answers.put(old, "question", "old")
    assert (answers.get(new, "question"), answers.get(old, "question")) == ("new", None)


@pytest.mark.parametrize(
    "path", ["/count", "/status", "/status?idx=1", "/gpu", "/gpu?idx=1", "/processes", "/users"]
)
@pytest.mark.usefixtures("simulation")
async def test_the_agents_answers_stay_the_same_within_a_sample(path: str) -> None:
    """While simulated values move all the time; a HEAD in between is the same question."""
    async with agent_client(SAMPLE_INTERVAL="60") as client:
        first = await client.get(path)
        head = await client.head(path)
        again = await client.get(path)
    assert first.status_code == 200
    assert (first.content, first.headers) == (again.content, again.headers)
    assert (b"", first.headers) == (head.content, head.headers)


@pytest.mark.usefixtures("simulation")
async def test_a_head_that_comes_first_keeps_no_empty_answer() -> None:
    """The body is left out for its client alone."""
    async with agent_client(SAMPLE_INTERVAL="60") as client:
        assert (await client.head("/count")).content == b""
        assert (await client.get("/count")).content == b'{"code":0,"data":8}'


@pytest.mark.usefixtures("simulation")
async def test_a_new_sample_is_a_new_answer() -> None:
    """Nothing is served that is older than SAMPLE_INTERVAL."""
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        first = (await client.get("/status")).json()["data"]["devices"][0]["ts"]
        while (await client.get("/status")).json()["data"]["devices"][0]["ts"] == first:
            pass


@pytest.mark.usefixtures("simulation")
async def test_a_kept_answer_still_wants_the_credential() -> None:
    """It stands behind the door, not in front of it."""
    async with agent_client(SAMPLE_INTERVAL="60", TOKEN=A_TOKEN) as client:
        for _ in range(2):
            assert (await client.get("/gpu", headers={"Authorization": A_TOKEN})).status_code == 200
            assert (await client.get("/gpu")).status_code == 401
            assert (await client.get("/gpu", headers={"Authorization": "wrong"})).status_code == 401


@pytest.mark.usefixtures("simulation")
async def test_a_kept_answer_carries_no_header_of_another_client() -> None:
    """Each origin is told its own name, and who sends none is told none."""
    async with agent_client(SAMPLE_INTERVAL="60", CORS_ORIGINS=",".join(ORIGINS)) as client:
        for origin in [*ORIGINS, *ORIGINS]:
            response = await client.get("/gpu", headers={"Origin": origin})
            assert [origin] == response.headers.get_list("access-control-allow-origin")
            assert response.headers["vary"] == "Origin"
            plain = await client.get("/gpu")
            assert "access-control-allow-origin" not in plain.headers
            assert response.content == plain.content


@pytest.mark.usefixtures("simulation")
async def test_a_host_that_is_refused_gets_no_kept_answer() -> None:
    """ALLOWED_HOSTS comes first."""
    async with agent_client(SAMPLE_INTERVAL="60", ALLOWED_HOSTS="agent") as client:
        assert (await client.get("/gpu")).status_code == 200
        assert (await client.get("/gpu", headers={"Host": "evil"})).status_code == 400
