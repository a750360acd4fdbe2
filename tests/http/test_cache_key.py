"""The answer is made once per Snapshot, however a client writes a request and whatever it appends.

Paths and parameters come from the agent's own document, so a new endpoint is included automatically.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, Header, Query

from agent.app import create_app
from agent.http.cache_key import RouteCacheKey, cache_keys
from agent.http.endpoint import Endpoint
from agent.http.parameters import CurrentSnapshot, Indices  # noqa: TC001  (FastAPI reads them)
from agent.simulation import Simulation
from tests.http.wire import error_in
from tests.support.agents import first_contact, settings
from tests.support.endpoints import CONSTANT, STREAM, STRICT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Scope

    from agent.http.shared_state import SharedState

pytestmark = pytest.mark.anyio

# Not cached: answers that withhold GPUs or that have no end are for one client, and the content of a file
# changes without a sample.
NOT_KEPT = {"/free", "/usage", STREAM}
UNKNOWN = [
    *(f"x={number}" for number in range(40)),
    *("_=1&_=2", "IDX=1", "idx%20=0", "&&", "=", "%00=%FF", "Detail=1", "api_key=k", "a=1&b=2&a=3", "i%64=1"),
]
ALL_BUT = {"idx": ["1,0", "0, 1", "0,1,1", " 1 ,0", "00,01", "%31%2C0"], "seconds": ["600", "600.0", "6e2"]}
WRONG = {"idx": "a", "seconds": "0"}


@asynccontextmanager
async def agent(**environ: str) -> AsyncIterator[tuple[httpx.AsyncClient, SharedState]]:
    """An agent whose first Snapshot stays the newest, and a client of it."""
    with Simulation(gpus=2):
        app = create_app(settings(SAMPLE_INTERVAL="60", HISTORY_INTERVAL="3600", **environ))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://agent") as client,
        ):
            await first_contact(app.state.shared.sampler)
            yield client, app.state.shared


async def shown(snapshot: CurrentSnapshot, idx: Indices, x_form: Annotated[str, Header()] = "") -> None: ...


async def the_rest(rest: str = "") -> str:
    return rest


async def listed(
    snapshot: CurrentSnapshot,
    idx: Indices,
    rest: Annotated[str, Depends(the_rest)],
    user: Annotated[str, Query(alias="the user")] = "",
) -> None: ...


def scope_with(query: bytes, form: bytes = b"plain") -> Scope:
    return {"query_string": query, "headers": [(b"accept", b"*/*"), (b"x-form", form)]}


def keys_of(endpoint: Callable[..., Any]) -> RouteCacheKey:
    router = APIRouter()
    router.add_api_route("/path", endpoint, response_model=None)
    return cache_keys([Endpoint(router)])["/path"]


@pytest.fixture
def keys() -> RouteCacheKey:
    """The cache keys of a route that takes the Snapshot, GPUs, and a header."""
    return keys_of(shown)


async def test_the_key_depends_on_the_values_and_not_on_their_spelling(keys: RouteCacheKey) -> None:
    key = await keys.make(scope_with(b"idx=0,1"))
    for same in (b"id%78=0,1", b"idx=0%2C1", b"idx=1,+0", b"x=1&idx=0,1&y", b"&idx=1,0&"):
        assert await keys.make(scope_with(same)) == key, same
    others = [
        scope_with(b""),
        scope_with(b"idx=0"),
        scope_with(b"id+x=0,1&idx=1"),
        scope_with(b"idx=0,1", b"other"),
    ]
    assert len({key, *[await keys.make(other) for other in others]}) == 5


async def test_every_value_that_a_route_takes_is_in_its_key() -> None:
    keys = keys_of(listed)
    queries = [b"", b"idx=1", b"rest=1", b"idx=1&rest=1", b"the+user=1", b"the+user=1&idx=1"]
    assert len({await keys.make(scope_with(query)) for query in queries}) == len(queries)
    assert await keys.make(scope_with(b"the%20user=1")) == await keys.make(scope_with(b"the+user=1"))


async def test_the_keys_of_requests_up_to_512_bytes_are_remembered(keys: RouteCacheKey) -> None:
    """The 512 bytes include the query, and name and value of each header that the route takes."""
    header = len(b"x-form" + b"plain")
    for length, is_kept in ((512 - header, True), (513 - header, False)):
        scope = scope_with(b"x" * length)
        assert keys.remembered(scope) is None
        key = await keys.make(scope)
        assert (key is None, keys.remembered(scope) == key) == (False, is_kept)
    assert keys.remembered(scope_with(b"x" * (512 - header), b"other")) is None


async def test_no_more_than_256_keys_are_remembered(keys: RouteCacheKey) -> None:
    for number in range(256):
        await keys.make(scope_with(b"idx=%d" % number))
    assert keys.remembered(scope_with(b"idx=0")) is not None
    await keys.make(scope_with(b"idx=256"))
    assert keys.remembered(scope_with(b"idx=0")) is None
    assert keys.remembered(scope_with(b"idx=256")) is not None


async def operations(client: httpx.AsyncClient) -> dict[str, list[dict[str, Any]]]:
    """The parameters in the query of every path in the document."""
    document = (await client.get("/openapi.json")).json()
    return {
        path: [one for one in methods["get"].get("parameters", []) if one["in"] == "query"]
        for path, methods in document["paths"].items()
    }


async def test_the_answer_of_every_documented_path_is_cached_except_those_listed_here() -> None:
    async with agent() as (client, running):
        for path in (await operations(client)).keys() - {STREAM}:
            for _ in range(2):
                await client.get(path)
            made = running.answers_made[path]
            assert made == (0 if path in NOT_KEPT else 1), (
                f"{path}: a path that is not cached must be in NOT_KEPT here"
            )


async def test_unknown_parameters_cause_no_further_answer() -> None:
    """Unknown parameters are ignored, or refused on paths where a misspelt one would do harm."""
    async with agent() as (client, running):
        for path in {*await operations(client), *CONSTANT} - {STREAM}:
            for query in UNKNOWN:
                response = await client.get(f"{path}?{query}")
                if path in STRICT and query not in ("&&", "i%64=1"):
                    assert response.status_code == 400
                    assert "accepted: " in error_in(response)
            if path not in STRICT:
                # Three of the queries above are really `idx` or `detail`, or empty.
                assert running.answers_made[path] <= 2, path
            assert running.answers_made[path] <= 2


async def test_another_spelling_of_a_parameter_gets_the_cached_answer() -> None:
    """The spellings differ in order, blanks, repeats, leading zeros, encoding and notation."""
    async with agent() as (client, running):
        spelled = [
            (path, one["name"])
            for path, parameters in (await operations(client)).items()
            for one in parameters
            if one["name"] in ALL_BUT and path not in NOT_KEPT
        ]
        assert len(spelled) > 3
        for path, name in spelled:
            running.answers_made.clear()
            answers = {(await client.get(f"{path}?{name}={text}")).content for text in ALL_BUT[name]}
            assert (len(answers), running.answers_made[path]) == (1, 1), (path, name)


async def test_an_explicit_default_value_gets_the_cached_answer() -> None:
    """This includes an empty value if it is accepted, and all defaults together in any order."""
    async with agent() as (client, running):
        for path, parameters in (await operations(client)).items():
            if path in NOT_KEPT:
                continue
            defaults = [f"{one['name']}={one['schema'].get('default', '')}" for one in parameters]
            queries = [*defaults, "&".join(defaults), "&".join(reversed(defaults))]
            queries += [f"{one['name']}=" for one in parameters if one["schema"]["type"] == "string"]
            answers = {(await client.get(path)).content}
            for query in queries:
                response = await client.get(f"{path}?{query}")
                assert response.status_code == 200, query
                answers.add(response.content)
            assert (len(answers), running.answers_made[path]) == (1, 1), path


async def test_no_answer_is_made_for_a_wrong_parameter() -> None:
    """The request is refused before an answer is made."""
    async with agent() as (client, running):
        for path, parameters in (await operations(client)).items():
            for one in parameters:
                if (path not in NOT_KEPT and "enum" in one["schema"]) or one["name"] in WRONG:
                    text = WRONG.get(one["name"], "wrong")
                    assert (await client.get(f"{path}?{one['name']}={text}")).status_code == 400
                    assert (await client.get(f"{path}?{one['name']}=0&{one['name']}=0")).status_code == 400
        assert running.answers_made.keys() <= CONSTANT


async def test_headers_that_do_not_matter_get_the_cached_answer() -> None:
    """Only the format of `/metrics` depends on headers: it has two formats, compressed or not."""
    async with agent() as (client, running):
        for path in (await operations(client)).keys() - NOT_KEPT:
            for number in range(20):
                headers = {
                    "Accept": f"text/plain;q=0.{number}, application/openmetrics-text;x={number};q=0.5",
                    "Accept-Encoding": f"br, x{number}, gzip;q=0.{number:02}",
                    "User-Agent": f"client {number}",
                    "Cookie": f"c={number}",
                    "Accept-Language": f"l{number}",
                }
                assert (await client.get(path, headers=headers)).status_code == 200
            assert running.answers_made[path] <= (4 if path == "/metrics" else 1), path


async def test_many_requests_at_once_share_one_answer() -> None:
    """Each request has a different unknown parameter."""
    async with agent() as (client, running):
        for path in ({*await operations(client), *CONSTANT} - NOT_KEPT) - STRICT:
            running.answers_made.clear()
            answers = await asyncio.gather(*(client.get(f"{path}?x={number}") for number in range(12)))
            assert {200} == {answer.status_code for answer in answers}
            assert len({answer.content for answer in answers}) == 1
            assert running.answers_made[path] <= 1, path
