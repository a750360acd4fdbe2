"""Headers of data: no cache stores an answer, and no browser guesses its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.http.wire import A_TOKEN, exchange
from tests.support import loopback
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

TOKEN = {"Authorization": A_TOKEN}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        Simulation(gpus=2),
        agent_server(TOKEN=A_TOKEN, HISTORY_INTERVAL="1", CORS_ORIGINS="https://a.example") as url,
        loopback.Client(base_url=url) as client,
    ):
        yield client


def data_paths(client: httpx.Client) -> list[str]:
    """Every path of the document except the stream."""
    paths = list(client.get("/openapi.json").json()["paths"])
    assert {"/count", "/gpu", "/metrics", "/health", "/ready", "/gpu/stream"} <= set(paths)
    return [path for path in paths if path != "/gpu/stream"]


def is_marked(response: httpx.Response) -> bool:
    return response.headers.get_list("cache-control") == ["no-store"] and response.headers.get_list(
        "x-content-type-options"
    ) == ["nosniff"]


def test_every_answer_of_a_data_path_has_no_store_and_nosniff(client: httpx.Client) -> None:
    """This holds for a new answer, a cached one, that of HEAD, and each error."""
    for path in data_paths(client):
        for _ in range(2):
            answer = client.get(path, headers=TOKEN)
            assert (path, True) == (path, is_marked(answer))
        assert is_marked(client.head(path, headers=TOKEN)), path
        assert is_marked(client.get(path)), f"{path} without a credential"
        assert is_marked(client.post(path, headers=TOKEN)), f"POST {path}"
        assert is_marked(client.get(f"{path}?idx=x&idx=x", headers=TOKEN)), f"{path} with a wrong parameter"
        assert is_marked(client.get(f"{path}/nothing", headers=TOKEN)), f"below {path}"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"GET /count HTTP/1.1\r\n\r\n", id="no Host"),
        pytest.param(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n", id="too long"),
        pytest.param(b"\0", id="garbage"),
    ],
)
def test_an_answer_to_invalid_http_has_no_store_and_nosniff(
    client: httpx.Client, request_bytes: bytes
) -> None:
    headers = exchange(str(client.base_url), request_bytes).headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize(("origin", "status"), [("https://a.example", 200), ("https://evil.example", 400)])
def test_the_answer_to_a_preflight_has_no_store_and_nosniff(
    client: httpx.Client, origin: str, status: int
) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    answer = client.options("/count", headers=asked)
    assert (answer.status_code, is_marked(answer)) == (status, True)


def test_the_stream_has_no_cache_and_no_transform(client: httpx.Client) -> None:
    with client.stream("GET", "/gpu/stream", headers=TOKEN) as response:
        assert response.headers["cache-control"] == "no-cache, no-transform"
    assert is_marked(client.get("/gpu/stream"))  # a failure


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json"])
def test_the_page_and_the_documents_have_their_own_cache_control(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]
    assert response.headers.get("cache-control") in {None, "no-cache"}
