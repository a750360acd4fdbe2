"""An answer is cached as long as its Snapshot is the newest."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import httpx
import pytest

from agent.http.kept_response import KeptResponse
from agent.http.response_cache import HEAD_KEY, KeptResponses, ResponseCache
from agent.http.shared_state import SharedState
from agent.http.turnstile import Turnstile
from agent.readings import Snapshot
from tests.http.wire import A_TOKEN
from tests.support.agents import agent_client, settings
from tests.support.endpoints import OF_ONE_SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Message, Receive, Scope, Send

    from agent.sampling.sampler import Sampler

PORTION = 256 * 1024
MAX_ANSWERS = 64
MAX_BYTES = 32 * 1024**2
MAX_CONCURRENT = 8  # answers made at once; the other requests wait in order

pytestmark = pytest.mark.anyio

ORIGINS = ["https://one.example", "https://two.example"]


class FixedSampler:
    """Returns the Snapshot that a test sets."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(taken_at=0, taken_monotonic=0)
        self.asked = 0
        self.door = asyncio.Event()
        self.door.set()
        self._outside: list[asyncio.Future[None]] = []

    async def latest(self) -> Snapshot:
        self.asked += 1
        if not self.door.is_set():
            turn = asyncio.get_running_loop().create_future()
            self._outside.append(turn)
            opened = asyncio.create_task(self.door.wait())
            await asyncio.wait((turn, opened), return_when=asyncio.FIRST_COMPLETED)
            opened.cancel()
        return self.snapshot

    def let_last_in(self) -> None:
        """Let the last waiting request pass, although the door is closed."""
        self._outside.pop().set_result(None)

    def take(self) -> None:
        """Take a new Snapshot."""
        taken = self.snapshot.taken_monotonic + 1
        self.snapshot = Snapshot(taken_at=taken, taken_monotonic=taken)


class WholeQuery:
    """A cache key that is the query itself; the query `wrong` has no key."""

    headers: frozenset[bytes] = frozenset()

    def __init__(self, path: str) -> None:
        self._path = path

    def remembered(self, _scope: Scope) -> None:
        """No key is remembered."""

    async def make(self, scope: Scope) -> tuple[str, bytes] | None:
        query = scope["query_string"]
        return None if query == b"wrong" else (self._path, query)


class CountingApp:
    """An app instead of the routes: counts its requests, and answers while the `door` is open.

    ?fail is a bad request, ?raise an exception.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.at_work = self.most_at_work = self.cancelled = 0
        self.door = asyncio.Event()
        self.door.set()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        question = f"{scope['path']}?{scope['query_string'].decode()}"
        self.asked[question] += 1
        number = self.asked[question]
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await self.door.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_work -= 1
        if scope["query_string"] == b"raise":
            raise ZeroDivisionError
        status = 400 if scope["query_string"] == b"fail" else 200
        body = f"{question} answer {number}".encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        half = len(body) // 2
        await send({"type": "http.response.body", "body": body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": body[half:]})


@asynccontextmanager
async def counting() -> AsyncIterator[tuple[httpx.AsyncClient, CountingApp, FixedSampler]]:
    """A client of `/a` and `/b`, which are cached, of `/constant`, and of other paths, not cached."""
    async with (
        counting_cache() as (cache, app, sampler),
        httpx.AsyncClient(transport=httpx.ASGITransport(cache), base_url="http://agent") as client,
    ):
        yield client, app, sampler


@asynccontextmanager
async def counting_cache() -> AsyncIterator[tuple[ResponseCache, CountingApp, FixedSampler]]:
    """The same cache, app and sampler without a client."""
    shared, app, sampler = SharedState(settings()), CountingApp(), FixedSampler()
    shared.sampler = cast("Sampler", sampler)
    keys = {"/a": WholeQuery("/a"), "/b": WholeQuery("/b")}
    yield ResponseCache(app, shared=shared, keys=keys, constant=frozenset({"/constant"})), app, sampler


async def test_the_same_request_is_answered_once_per_snapshot() -> None:
    """Bytes, status and headers are the same until there is a new Snapshot."""
    async with counting() as (client, app, sampler):
        first, again = await client.get("/a?x"), await client.get("/a?x")
        assert b"/a?x answer 1" == first.content == again.content
        assert (200, first.headers) == (again.status_code, again.headers)
        sampler.take()
        assert (await client.get("/a?x")).content == b"/a?x answer 2"
        assert app.asked["/a?x"] == 2


async def test_a_different_request_has_a_different_answer() -> None:
    """Any difference in path or query counts."""
    async with counting() as (client, app, _):
        for question in ("/a?", "/b?", "/a?idx=1", "/a?idx=2", "/a?idx=01", "/a?IDX=1"):
            for _ in range(2):
                assert f"{question} answer 1" == (await client.get(question)).text
        assert {1} == set(app.asked.values())


async def test_a_failed_answer_is_not_cached() -> None:
    """Errors cannot fill the memory, and a failure may be over soon."""
    async with counting() as (client, app, _):
        assert [(await client.get("/a?fail")).status_code for _ in range(2)] == [400, 400]
        assert app.asked["/a?fail"] == 2


async def test_other_paths_and_methods_are_not_cached() -> None:
    """They do not depend on a Snapshot."""
    async with counting() as (client, app, _):
        for _ in range(2):
            await client.get("/other")
            await client.post("/a")
        assert app.asked == {"/other?": 2, "/a?": 2}


async def test_at_most_64_answers_are_cached() -> None:
    """A client can invent any number of queries, but an answer that is used often stays cached."""
    async with counting() as (client, app, _):
        for number in range(MAX_ANSWERS + 5):
            assert (await client.get(f"/a?{number}")).status_code == 200
            assert (await client.get("/a?often")).status_code == 200
        await client.get(f"/a?{MAX_ANSWERS + 4}")
        await client.get("/a?0")
    assert {question for question, times in app.asked.items() if times > 1} == {"/a?0"}


async def test_the_65th_answer_takes_the_place_of_the_least_recently_used() -> None:
    kept, snapshot = KeptResponses(), Snapshot(taken_at=1, taken_monotonic=1)
    response = KeptResponse(200, [], b"x")
    for number in range(MAX_ANSWERS):
        kept.put(snapshot, number, response)
    assert kept.get(snapshot, 0) is response, "it is used, so the next one is the oldest"
    kept.put(snapshot, MAX_ANSWERS, response)
    assert [number for number in range(MAX_ANSWERS + 1) if kept.get(snapshot, number) is None] == [1]


async def test_cached_answers_are_limited_by_their_total_size() -> None:
    """If two do not fit together, the newer one stays. One that is too large alone is not cached.

    One that takes exactly all of the space is cached.
    """
    kept, snapshot = KeptResponses(), Snapshot(taken_at=1, taken_monotonic=1)
    half = KeptResponse(200, [], b"x" * (MAX_BYTES // 2 + 1))
    kept.put(snapshot, "first", half)
    kept.put(snapshot, "second", half)
    assert (kept.get(snapshot, "first"), kept.get(snapshot, "second")) == (None, half)
    kept.put(snapshot, "too large", KeptResponse(200, [], b"x" * (MAX_BYTES + 1)))
    assert kept.get(snapshot, "too large") is None
    largest = KeptResponse(200, [], b"x" * MAX_BYTES)
    kept.put(snapshot, "largest", largest)
    assert kept.get(snapshot, "largest") is largest


async def test_an_answer_of_an_older_snapshot_is_not_cached() -> None:
    """It was being made when a newer Snapshot was taken."""
    old, new = Snapshot(taken_at=1, taken_monotonic=1), Snapshot(taken_at=2, taken_monotonic=2)
    kept, response = KeptResponses(), KeptResponse(200, [], b"new")
    kept.put(new, "key", response)
    kept.put(old, "key", KeptResponse(200, [], b"old"))
    assert (kept.get(new, "key"), kept.get(old, "key")) == (response, None)


async def test_simultaneous_requests_wait_for_the_same_answer() -> None:
    """All of them get the answer, even if it is an error, which is then not cached."""
    async with counting() as (client, app, _):
        for query, status in [("x", 200), ("fail", 400)]:
            app.door.clear()
            asking = [asyncio.create_task(client.get(f"/a?{query}")) for _ in range(50)]
            await turns(lambda: app.at_work == 1, at_least=50)
            app.door.set()
            assert {status} == {(await one).status_code for one in asking}
            assert app.asked[f"/a?{query}"] == 1
        await client.get("/a?fail")
        assert app.asked["/a?fail"] == 2


async def test_an_exception_reaches_all_waiting_requests() -> None:
    """The next request tries again."""
    async with counting() as (client, app, _):
        app.door.clear()
        asking = [asyncio.create_task(client.get("/a?raise")) for _ in range(5)]
        await turns(lambda: app.at_work == 1, at_least=50)
        app.door.set()
        for one in asking:
            with pytest.raises(ZeroDivisionError):
                await one
        with pytest.raises(ZeroDivisionError):
            await client.get("/a?raise")
        assert app.asked["/a?raise"] == 2


async def test_an_answer_that_no_client_waits_for_any_more_is_cancelled() -> None:
    """A client that leaves does not affect the others. When the last has left, the work ends."""
    async with counting() as (client, app, _):
        app.door.clear()
        asking = [asyncio.create_task(client.get("/a?x")) for _ in range(3)]
        await turns(lambda: app.at_work == 1, at_least=50)
        asking[0].cancel()  # the first client
        await asyncio.wait(asking[:1])
        app.door.set()
        assert [(await one).text for one in asking[1:]] == ["/a?x answer 1"] * 2
        app.door.clear()
        asking = [asyncio.create_task(client.get("/a?y")) for _ in range(3)]
        await turns(lambda: app.at_work == 1, at_least=50)
        for one in asking:
            one.cancel()
        await asyncio.wait(asking)
        await turns(lambda: app.cancelled == 1)
        app.door.set()
        assert (await client.get("/a?y")).text == "/a?y answer 2"


async def test_an_answer_is_cancelled_when_its_client_disconnects() -> None:
    """The server reports it by `http.disconnect`."""
    async with counting_cache() as (cache, app, _):
        app.door.clear()
        gone = asyncio.Event()
        messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            raise AssertionError(f"{message} has no receiver")

        scope = {"type": "http", "method": "GET", "path": "/a", "query_string": b"x", "headers": []}
        asking = asyncio.create_task(cache(scope, receive, send))
        for _ in range(20):
            await asyncio.sleep(0)
        assert app.at_work == 1, "the answer begins at once"
        gone.set()
        await asking
        await turns(lambda: app.cancelled == 1)


async def test_no_answer_is_made_for_a_client_that_has_already_disconnected() -> None:
    """Many clients may disconnect while their requests wait."""
    async with counting_cache() as (cache, app, _):

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            raise AssertionError(f"{message} has no receiver")

        scope = {"type": "http", "method": "GET", "path": "/a", "query_string": b"x", "headers": []}
        await cache(scope, receive, send)
        await turns(lambda: True, at_least=20)
        assert not app.asked


async def test_nothing_waits_for_a_client_that_has_its_answer() -> None:
    """Its connection may stay open for hours."""
    asked: list[None] = []
    waiting: list[None] = []

    async def receive() -> Message:
        asked.append(None)
        waiting.append(None)
        try:
            return await asyncio.Future()
        finally:
            waiting.pop()

    async def send(message: Message) -> None: ...

    async with counting_cache() as (cache, _, _):
        scope = {"type": "http", "method": "GET", "path": "/a", "query_string": b"x", "headers": []}
        await cache(scope, receive, send)
        await turns(lambda: True, at_least=5)
    assert (len(asked), waiting) == (1, [])


async def test_at_most_8_answers_are_made_at_once() -> None:
    """The other requests wait, and their answers are then made from the newest Snapshot."""
    async with counting() as (client, app, sampler):
        app.door.clear()
        asking = [asyncio.create_task(client.get(f"/a?{number}")) for number in range(3 * MAX_CONCURRENT)]
        await turns(lambda: app.at_work == MAX_CONCURRENT, at_least=100)
        sampler.take()
        app.door.set()
        assert {200} == {(await one).status_code for one in asking}
        assert app.most_at_work == MAX_CONCURRENT
        asked = app.asked.copy()
        await client.get(f"/a?{3 * MAX_CONCURRENT - 1}")
        assert asked == app.asked, "the last was made of the new Snapshot, and is kept"


async def test_a_request_after_a_new_sample_does_not_get_an_answer_begun_before_it() -> None:
    """That answer would be too old."""
    async with counting() as (client, app, sampler):
        app.door.clear()
        before = asyncio.create_task(client.get("/a?x"))
        await turns(lambda: app.at_work == 1)
        sampler.take()
        after = asyncio.create_task(client.get("/a?x"))
        await turns(lambda: app.at_work == 2)
        app.door.set()
        assert [(await one).text for one in (before, after)] == ["/a?x answer 1", "/a?x answer 2"]


async def test_a_request_that_waited_for_a_slot_gets_an_answer_made_meanwhile() -> None:
    """One request waits for its turn and then for a sample; a later one is answered earlier."""
    async with counting() as (client, app, sampler):
        sampler.door.clear()
        first = asyncio.create_task(client.get("/a?x"))
        await turns(lambda: sampler.asked == 1)
        sampler.let_last_in()
        await turns(lambda: sampler.asked == 2)  # the answer waits for the newest Snapshot
        second = asyncio.create_task(client.get("/a?x"))
        await turns(lambda: sampler.asked == 3)
        sampler.let_last_in()
        await turns(lambda: sampler.asked == 4)
        sampler.let_last_in()
        assert (await second).text == "/a?x answer 1"
        sampler.door.set()
        assert (await first).text == "/a?x answer 1"
    assert app.asked["/a?x"] == 1


async def test_a_constant_answer_is_made_once() -> None:
    """Neither new samples nor other requests matter."""
    async with counting() as (client, app, sampler):
        answers = set()
        for query in ("", "?x", "?y"):
            answers.add((await client.get(f"/constant{query}")).text)
            sampler.take()
            await client.get("/a")
        assert (len(answers), app.asked) == (1, {"/constant?": 1, "/a?": 3})


async def test_making_an_answer_and_sending_a_long_one_each_take_a_turn() -> None:
    """Making a cache key takes a turn too. The answers made are counted by path."""
    turns_taken: list[None] = []
    asked: list[Scope] = []

    class Counting(Turnstile):
        async def wait(self) -> None:
            turns_taken.append(None)

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        asked.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(PORTION + (scope["path"] == "/long"))})

    async def receive() -> Message:
        message: Message = await asyncio.get_running_loop().create_future()
        return message

    async def send(message: Message) -> None: ...

    shared = SharedState(settings())
    shared.turnstile, shared.sampler = Counting(), cast("Sampler", FixedSampler())
    constant = frozenset({"/long", "/short"})
    cache = ResponseCache(app, shared=shared, keys={"/a": WholeQuery("/a")}, constant=constant)

    async def turns_of(path: str) -> int:
        turns_taken.clear()
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        await cache(scope | {HEAD_KEY: True}, receive, send)
        return len(turns_taken)

    assert [await turns_of(path) for path in ("/a", "/a")] == [2, 1]
    assert [await turns_of(path) for path in ("/short", "/short", "/long", "/long")] == [1, 0, 1, 1]
    assert shared.answers_made == {"/a": 1, "/short": 1, "/long": 1}
    assert not [scope for scope in asked if HEAD_KEY in scope], "a cached answer is for GET too"


async def test_a_long_answer_is_sent_in_portions() -> None:
    """Each byte is sent once, and only an empty answer has an empty portion."""
    for length in (0, 1, PORTION - 1, PORTION, PORTION + 1, 3 * PORTION):
        sent: list[Message] = []

        async def send(message: Message, sent: list[Message] = sent) -> None:
            sent.append(message)

        body = (bytes(range(256)) * (length // 256 + 1))[:length]
        await KeptResponse(200, [], body).send(send)
        assert b"".join(message["body"] for message in sent[1:]) == body
        assert all(len(message["body"]) == PORTION for message in sent[1:-1])
        assert min(length, 1) <= len(sent[-1]["body"]) <= PORTION
        assert [message.get("more_body", False) for message in sent[1:]] == [True] * (len(sent) - 2) + [False]


async def turns(condition: Callable[[], bool], at_least: int = 1) -> None:
    """Let the event loop run until `condition()` is true, and for at least `at_least` turns."""
    async with asyncio.timeout(10):
        for _ in range(at_least):
            await asyncio.sleep(0)
        while not condition():  # noqa: ASYNC110  (it waits for the next turn of the loop)
            await asyncio.sleep(0)


@pytest.mark.parametrize("path", [*OF_ONE_SNAPSHOT, "/status?idx=1", "/gpu?idx=1"])
@pytest.mark.usefixtures("simulation")
async def test_answers_of_the_agent_are_identical_within_one_sample(path: str) -> None:
    """Simulated values change all the time. A HEAD request in between gets the same answer."""
    async with agent_client(SAMPLE_INTERVAL="60") as client:
        first = await client.get(path)
        head = await client.head(path)
        again = await client.get(path)
    assert first.status_code == 200
    assert (first.content, first.headers) == (again.content, again.headers)
    assert (b"", first.headers) == (head.content, head.headers)


@pytest.mark.usefixtures("simulation")
async def test_a_head_request_does_not_cache_an_empty_answer() -> None:
    """The body is removed only for the client of the HEAD request."""
    async with agent_client(SAMPLE_INTERVAL="60") as client:
        assert (await client.head("/count")).content == b""
        assert (await client.get("/count")).content == b'{"code":0,"data":2}'


@pytest.mark.usefixtures("simulation")
async def test_a_new_sample_makes_a_new_answer() -> None:
    """No answer is older than SAMPLE_INTERVAL."""
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        first = (await client.get("/status")).json()["data"]["devices"][0]["ts"]
        while (await client.get("/status")).json()["data"]["devices"][0]["ts"] == first:
            pass


@pytest.mark.usefixtures("simulation")
async def test_a_cached_answer_still_requires_the_credential() -> None:
    """The cache is behind authentication."""
    async with agent_client(SAMPLE_INTERVAL="60", TOKEN=A_TOKEN) as client:
        for _ in range(2):
            assert (await client.get("/gpu", headers={"Authorization": A_TOKEN})).status_code == 200
            assert (await client.get("/gpu")).status_code == 401
            assert (await client.get("/gpu", headers={"Authorization": "wrong"})).status_code == 401


@pytest.mark.usefixtures("simulation")
async def test_a_cached_answer_has_no_header_of_another_client() -> None:
    """Each origin gets its own name, and a request without an origin gets none."""
    async with agent_client(SAMPLE_INTERVAL="60", CORS_ORIGINS=",".join(ORIGINS)) as client:
        for origin in [*ORIGINS, *ORIGINS]:
            response = await client.get("/gpu", headers={"Origin": origin})
            assert [origin] == response.headers.get_list("access-control-allow-origin")
            assert response.headers["vary"] == "Accept-Encoding, Origin"
            plain = await client.get("/gpu")
            assert "access-control-allow-origin" not in plain.headers
            assert response.content == plain.content


@pytest.mark.usefixtures("simulation")
async def test_a_refused_host_gets_no_cached_answer() -> None:
    """ALLOWED_HOSTS is checked before the cache."""
    async with agent_client(SAMPLE_INTERVAL="60", ALLOWED_HOSTS="agent") as client:
        assert (await client.get("/gpu")).status_code == 200
        assert (await client.get("/gpu", headers={"Host": "evil"})).status_code == 400
