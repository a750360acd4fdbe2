"""The declarations of the endpoints: all are listed, and only the intended paths are open."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from fastapi import APIRouter, Request

from agent.http import openapi
from agent.http.cache_key import cache_keys, constant_paths
from agent.http.endpoint import Access, Endpoint
from agent.http.parameters import (  # noqa: TC001  (FastAPI reads them)
    AgentSettings,
    CurrentSnapshot,
    Indices,
    Shared,
)
from agent.routes import ENDPOINTS
from tests.exact.answers import QUESTIONS
from tests.support.agents import ROOT
from tests.support.endpoints import (
    CONSTANT,
    OF_ONE_SNAPSHOT,
    OF_THE_DRIVER,
    OPEN,
    OPEN_FOLDERS,
    PATHS,
    STREAM,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def test_the_endpoint_of_every_file_in_routes_is_listed() -> None:
    files = sorted((ROOT / "agent" / "routes").glob("[!_]*.py"))
    declared = {path.name: import_module(f"agent.routes.{path.stem}").ENDPOINT for path in files}
    missing = [name for name, endpoint in declared.items() if endpoint not in ENDPOINTS]

    assert files
    assert not missing, f"agent/routes/__init__.py does not list {', '.join(missing)}"


HERE = "in tests/support/endpoints.py"


def paths_of(access: Access) -> set[str]:
    return {path for endpoint in ENDPOINTS if endpoint.access is access for path in endpoint.paths}


def test_only_the_listed_paths_are_open_without_a_credential() -> None:
    """The list in OPEN is written by hand, so that no path is opened by mistake."""
    folders = {f"{endpoint.folder}/" for endpoint in ENDPOINTS if endpoint.folder}

    assert paths_of(Access.OPEN) == OPEN, f"if that is intended, change OPEN {HERE}"
    assert folders == set(OPEN_FOLDERS), f"if that is intended, change OPEN_FOLDERS {HERE}"
    assert paths_of(Access.API_KEY) == {STREAM}


def test_page_documents_and_health_are_constant() -> None:
    assert {"/", "/docs", "/fleet", "/health", "/openapi.json"} <= CONSTANT


def test_the_paths_that_wait_stream_or_serve_probes_are_the_intended_ones() -> None:
    waiting = {path for endpoint in ENDPOINTS if endpoint.waits for path in endpoint.paths}
    endless = {path for endpoint in ENDPOINTS for path in endpoint.streams}
    probes = {path for endpoint in ENDPOINTS if endpoint.is_probe for path in endpoint.paths}

    assert (waiting, endless, probes) == ({"/free"}, {STREAM}, {"/health", "/ready"})


def test_no_path_has_two_endpoints() -> None:
    assert len(PATHS) == len(set(PATHS))


def test_every_path_about_gpus_declares_that_it_fails_without_a_driver() -> None:
    declared = {path for endpoint in ENDPOINTS if 500 in endpoint.failures for path in endpoint.paths}

    assert declared == set(OF_THE_DRIVER), f"if that is intended, change WITHOUT_DRIVER {HERE}"


def test_every_path_about_gpus_has_a_test_of_its_exact_answer() -> None:
    asked = {question.partition("?")[0] for question, _ in QUESTIONS.values()}
    missing = {*OF_ONE_SNAPSHOT, *OF_THE_DRIVER} - asked

    assert not missing, f"QUESTIONS in tests/exact/answers.py has no question for {', '.join(missing)}"


# Derived from a route


def endpoint(
    answer: Callable[..., object], path: str = "/hello", methods: Sequence[str] = ("GET",)
) -> Endpoint:
    router = APIRouter()
    router.add_api_route(path, answer, response_model=None, methods=list(methods))
    return Endpoint(router)


def test_an_endpoint_requires_the_token_by_default() -> None:
    async def hello() -> None: ...

    silent = endpoint(hello)
    open_to_all = replace(silent, access=Access.OPEN)

    assert silent.access is Access.TOKEN
    assert (sorted(silent.responses), silent.dependencies) == ([401], openapi.TOKEN)
    assert (sorted(open_to_all.responses), open_to_all.dependencies) == ([], [])


def test_status_400_is_documented_only_for_a_route_with_parameters() -> None:
    async def without(snapshot: CurrentSnapshot) -> None: ...
    async def with_one(snapshot: CurrentSnapshot, idx: Indices) -> None: ...

    assert 400 not in endpoint(without).responses
    assert 400 in endpoint(with_one).responses
    both = endpoint(without)
    both.router.add_api_route("/other", with_one, response_model=None)
    assert 400 in both.responses, "one of its routes takes a parameter"


def test_the_answer_of_a_route_that_takes_the_snapshot_is_cached_with_it() -> None:
    async def hello(snapshot: CurrentSnapshot, settings: AgentSettings) -> None: ...

    assert list(cache_keys([endpoint(hello)])) == ["/hello"]
    assert not constant_paths([endpoint(hello)])


def test_the_answer_of_a_route_that_takes_only_the_settings_is_constant() -> None:
    async def hello(settings: AgentSettings) -> None: ...

    assert constant_paths([endpoint(hello)]) == {"/hello"}
    assert not cache_keys([endpoint(hello)])


async def nothing() -> None: ...
async def shared_state(settings: AgentSettings, shared: Shared) -> None: ...
async def parameter(settings: AgentSettings, name: str = "") -> None: ...
async def indices(settings: AgentSettings, idx: Indices) -> None: ...
async def the_request(settings: AgentSettings, request: Request) -> None: ...


@pytest.mark.parametrize("answer", [nothing, shared_state, parameter, indices, the_request])
def test_the_answer_of_any_other_route_is_made_for_each_request(answer: Callable[..., object]) -> None:
    assert not constant_paths([endpoint(answer)])
    assert not cache_keys([endpoint(answer)])


@pytest.mark.parametrize(
    ("path", "methods"), [("/hello", ["POST"]), ("/hello", ["GET", "POST"]), ("/hello/{name}", ["GET"])]
)
def test_a_route_other_than_a_get_of_one_exact_path_is_refused(path: str, methods: list[str]) -> None:
    """Authentication, HEAD and the response cache would not handle it."""
    with pytest.raises(TypeError, match="is not a GET of one exact path"):
        _ = endpoint(nothing, path, methods=methods).paths
