"""Valid and invalid requests generated from the OpenAPI document: each answer is one that it describes.

In process, with the same requests in each run. Of a stream, only the first event is checked.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import requests
import schemathesis
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agent.app import create_app
from agent.simulation import Simulation
from tests.http.wire import error_of
from tests.properties import PROPERTY
from tests.support.agents import settings
from tests.support.endpoints import STREAM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from schemathesis import APIOperation, BaseSchema, Case
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tests.properties.worlds import World

EVENTS = "text/event-stream"
LONGEST_WAIT = 0.02  # seconds, instead of up to 50
# Values that generated text hardly ever contains.
GOOD_VALUES = {
    "idx": st.sampled_from(["", "0", "1", "0,1", " 1 , 0", "2", "1,1"]),
    "min_free_memory": st.sampled_from(["", "1GiB", "20000 MB", "1.5TB", "0"]),
    "exclude_users": st.sampled_from(["", "root", "ann,bob"]),
    "user": st.sampled_from(["", "root", "nobody"]),
}


class FirstEventOnly:
    """Ends a stream after its first event."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams = ended = False

        async def send_first(message: Message) -> None:
            nonlocal streams, ended
            if message["type"] == "http.response.start":
                streams = any(value.startswith(EVENTS.encode()) for _, value in message["headers"])
            elif streams and ended:
                return
            elif streams:
                message, ended = {**message, "more_body": False}, True
            await send(message)

        await self._app(scope, receive, send_first)


class Agent:
    """An agent in this process, with its document; synchronous tests can send requests to it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._schema: BaseSchema | None = None

    @contextmanager
    def running(self) -> Iterator[Agent]:
        """Run it with the simulated driver of its world."""
        with (
            Simulation(gpus=2, scenario=self.world.scenario),
            start_blocking_portal() as self._portal,
            self._portal.wrap_async_context_manager(self._client()) as self._http,
        ):
            prefix = self.world.settings.get("URL_PREFIX", "")
            document = self._get("GET", f"http://agent/{prefix}/openapi.json".replace("//o", "/o"), {}).json()
            self._base_url = f"http://agent/{prefix}".rstrip("/")
            self._schema = schemathesis.openapi.from_dict(document)
            yield self

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(settings(**self.world.settings))
        transport = httpx.ASGITransport(FirstEventOnly(app))
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
            yield client

    def operations(self) -> list[APIOperation[Any, Any, Any, Any]]:
        """All operations of the document."""
        assert self._schema is not None
        found = list(self._schema.get_all_operations())
        assert all(isinstance(result, Ok) for result in found), found
        return [result.ok() for result in found if isinstance(result, Ok)]

    def send(self, case: Case[Any]) -> httpx.Response:
        """Send exactly this case, with the credential of this world, if any, instead of its own."""
        request = case.as_transport_kwargs(base_url=self._base_url)
        headers = {name: value for name, value in request["headers"].items() if name != "Accept-Encoding"}
        if self.world.credential is not None:
            headers["Authorization"] = self.world.credential
        url = requests.Request(case.method, request["url"], params=request["params"]).prepare().url
        assert url is not None
        return self._get(case.method, url, headers)

    def _get(self, method: str, url: str, headers: dict[str, str]) -> httpx.Response:
        # An exception of the app is raised here, too, so that no unexpected one goes unnoticed.
        return self._portal.call(lambda: self._http.request(method, url, headers=headers))


def check(agent: Agent, case: Case[Any]) -> httpx.Response:
    """Send the case, and compare the answer with the document and with the conditions of the world."""
    response = agent.send(case)
    documented = {int(status) for status in case.operation.definition.raw["responses"]}
    checks = [status_code_conformance, content_type_conformance, response_headers_conformance]
    is_stream = case.operation.path.endswith(STREAM) and response.status_code == 200
    if is_stream:
        assert response.headers["content-type"].startswith(EVENTS)
        assert response.text.startswith("data: {")
    else:
        checks.append(response_schema_conformance)
    case.validate_response(response, checks=checks)
    assert response.status_code in documented
    assert "Traceback" not in response.text
    assert 'File "' not in response.text
    if response.status_code >= 400 and response.status_code != 409:  # 409 has no body
        check_failure(agent.world, case, response, documented)
    elif not agent.world.admits:
        assert 401 not in documented, "it is answered without a credential"
    return response


def check_failure(world: World, case: Case[Any], response: httpx.Response, documented: set[int]) -> None:
    """It is an envelope; the agent fails only without a driver, and a refusal names the invalid parameter."""
    error = error_of(response.status_code, response.content)
    if not world.admits and 401 in documented:
        assert response.status_code == 401, "the credential comes before everything else"
        return
    if response.status_code == 404:
        assert case.operation.path.endswith("/usage")
        assert "STATE_DIR" in error, "no world has STATE_DIR"
        return
    assert response.status_code in {400} | world.failures(case.operation.path)
    assert "agent failed" not in error
    if response.status_code == 400:
        names = case.query or {}
        assert any(name[:80] in error for name in names), f"{error!r} names none of {sorted(names)}"


def check_all_operations(agent: Agent, mode: GenerationMode, examples: int) -> None:
    """Check every operation of the document, with this many examples each."""
    for operation in agent.operations():
        parameters = {parameter.name for parameter in operation.query}
        if mode is GenerationMode.NEGATIVE and not parameters:
            continue  # no parameter could be invalid
        good = {name: values for name, values in GOOD_VALUES.items() if name in parameters}

        @bounds(PROPERTY, max_examples=examples, suppress_health_check=list(HealthCheck))
        @given(
            operation.as_strategy(generation_mode=mode),
            st.fixed_dictionaries({}, optional=good),
        )
        def check_answer(case: Case[Any], values: dict[str, str]) -> None:
            case.query = {**(case.query or {}), **(values if mode is GenerationMode.POSITIVE else {})}
            if is_long(case.query.get("wait")):
                case.query["wait"] = LONGEST_WAIT
            check(agent, case)

        check_answer()


def is_long(wait: object) -> bool:
    """Whether an agent would read it as seconds, and hold the request that long."""
    try:
        return float(str(wait)) > LONGEST_WAIT
    except ValueError:
        return False
