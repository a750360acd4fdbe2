"""HEAD works where GET does, a trailing slash is allowed, and the only redirect is relative."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pytest

from agent.http.middleware import HeadAsGet, RootPath
from agent.http.web import BUILD
from agent.simulation import Simulation
from tests.http.wire import A_TOKEN, error_in, request
from tests.support.agents import agent_client, agent_server
from tests.support.endpoints import OPEN, PATHS, STREAM, WITH_END

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from starlette.types import Message, Receive, Scope, Send

WEB = f"/web/{BUILD}"
TARGETS = [
    *WITH_END,
    f"{WEB}/page.js",
    "/status?idx=1&mig=1",
    "/static-offline-docs/swagger-ui.css",
    "/status?idx=a",
    "/status/",
    "/status//",
    "/nope",
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An agent on a real socket, under a prefix. Its sample stays current during all these tests."""
    with Simulation(gpus=2), agent_server(URL_PREFIX="server1", SAMPLE_INTERVAL="60") as url:
        yield url


@pytest.mark.parametrize("path", [*TARGETS, ""])
def test_head_is_get_without_the_body(url: str, path: str) -> None:
    """Status and headers are the same, including the length, for errors too."""
    target = f"/server1{path}".encode()
    get, head = request(url, target), request(url, target, method=b"HEAD")
    assert head.body == b""
    assert get.status == head.status
    timeless = {"date", "last-modified"}
    assert {name: get.headers[name] for name in get.headers.keys() - timeless} == {
        name: head.headers[name] for name in head.headers.keys() - timeless
    }
    assert int(head.headers["content-length"]) == len(get.body)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        pytest.param({"type": "http", "path": "/gpu"}, ("/proxied", "/proxied/gpu"), id="stripped"),
        pytest.param(
            {"type": "http", "root_path": "/other", "path": "/other/gpu"},
            ("/other", "/other/gpu"),
            id="restored by an option of the server",
        ),
        pytest.param({"type": "lifespan"}, (None, None), id="no request"),
    ],
)
async def test_a_prefix_stripped_by_a_proxy_is_restored_once(
    scope: Scope, seen: tuple[str | None, str | None]
) -> None:
    found: list[tuple[str | None, str | None]] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        found.append((scope.get("root_path"), scope.get("path")))

    await RootPath(app, root_path="/proxied")(scope, None, None)  # type: ignore[arg-type]  # neither is used
    assert found == [seen]


@pytest.mark.anyio
async def test_the_app_itself_sends_no_body_for_head() -> None:
    """It does not depend on a server that removes the body."""
    start: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    sent: list[Message] = []

    async def get(scope: Scope, _receive: Receive, send: Send) -> None:
        assert scope["method"] == "GET"
        await send(start)
        await send({"type": "http.response.body", "body": b"o", "more_body": True})
        await send({"type": "http.response.body", "body": b"k"})

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "HEAD", "path": "/gpu", "headers": []}
    await HeadAsGet(get, streams=frozenset())(scope, receive, send)

    assert sent == [
        start,
        {"type": "http.response.body", "body": b"", "more_body": True},
        {"type": "http.response.body", "body": b""},
    ]


@pytest.mark.anyio
@pytest.mark.usefixtures("simulation")
async def test_every_documented_path_except_streams_accepts_head() -> None:
    """A stream has no length and no end."""
    async with agent_client() as client:
        operations = (await client.get("/openapi.json")).json()["paths"]
        paths = [path for path, methods in operations.items() if "get" in methods]
        assert {"/count", "/gpu/stream"} <= set(paths)
        for path in paths:
            streams = "text/event-stream" in operations[path]["get"]["responses"]["200"]["content"]
            response = await client.head(path)
            assert (streams, path) == (response.status_code == 405, path)


@pytest.mark.parametrize("query", ["", "?interval=1", "?interval=x"])
def test_head_of_a_stream_is_405(url: str, query: str) -> None:
    """The answer is immediate, and the connection can be used again."""
    reply = request(url, f"/server1/gpu/stream{query}".encode(), method=b"HEAD")
    assert (reply.status, reply.headers["allow"], reply.body) == (405, "GET", b"")


LAYOUTS = [
    pytest.param({}, "", id="no prefix"),
    pytest.param({"URL_PREFIX": "server1"}, "/server1", id="prefix"),
    pytest.param({"ROOT_PATH": "/proxied"}, "", id="ROOT_PATH"),
    pytest.param({"URL_PREFIX": "a/b", "ROOT_PATH": "/gpu"}, "/a/b", id="prefix and ROOT_PATH"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("environ", "prefix"), LAYOUTS)
async def test_a_path_with_a_trailing_slash_is_the_same_path(environ: dict[str, str], prefix: str) -> None:
    """It is not redirected: the redirect would contain the Host header, which is wrong behind a proxy."""
    with Simulation(gpus=2):
        async with agent_client(SAMPLE_INTERVAL="60", **environ) as client:
            for path in {*WITH_END} - {"/"}:
                there = await client.get(f"{prefix}{path}")
                slashed = await client.get(f"{prefix}{path}/")
                assert (path, there.status_code) == (path, slashed.status_code)
                assert timeless(there) == timeless(slashed), path
            for query in ["?idx=1", "?process=C", "?idx=x"]:
                there = await client.get(f"{prefix}/status{query}")
                assert there.content == (await client.get(f"{prefix}/status/{query}")).content
            stream = await client.get(f"{prefix}{STREAM}/?interval=0")
            assert (stream.status_code, stream.json()["code"]) == (400, 1)
            assert (await client.head(f"{prefix}{STREAM}/")).status_code == 405


def timeless(response: httpx.Response) -> dict[str, str]:
    """The headers without the length, which changes with time for /health and /metrics."""
    return {name: response.headers[name] for name in response.headers if name != "content-length"}


NO_FILES = [
    *("/web/", "/web/nope/", f"{WEB}/", f"{WEB}/page.js/", f"{WEB}//page.js", f"/web//{BUILD}/page.js"),
    *(f"{WEB}/%2e/page.js", f"{WEB}/%2e%2e/{BUILD}/page.js", f"/web/{BUILD}%2fpage.js/"),
    *(f"/static-offline-docs{end}" for end in ("/", "/swagger-ui.css/", "//swagger-ui.css")),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("environ", "prefix"), LAYOUTS)
@pytest.mark.usefixtures("simulation")
async def test_a_path_with_an_extra_slash_is_404(environ: dict[str, str], prefix: str) -> None:
    async with agent_client(**environ) as client:
        for path in ["//", *(f"{path}//" for path in PATHS), "/nope/", *NO_FILES]:
            response = await client.get(f"http://agent{prefix}{path}")
            assert (path, 404) == (path, response.status_code)
            assert error_in(response)


@pytest.mark.anyio
@pytest.mark.usefixtures("simulation")
async def test_a_trailing_slash_does_not_change_who_may_read() -> None:
    """Probes need no allowed host, data needs the TOKEN, and the documentation page finds its files."""
    async with agent_client(TOKEN=A_TOKEN, ALLOWED_HOSTS="gpu1.example.org") as client:
        host, token = {"Host": "gpu1.example.org"}, {"Authorization": A_TOKEN}
        assert (await client.get("/health/")).status_code == 200
        assert (await client.get("/status/", headers=token)).status_code == 400
        for path in {*PATHS} - {*OPEN}:
            assert (path, 401) == (path, (await client.get(f"{path}/", headers=host)).status_code)
        assert (await client.get("/status/", headers={**host, **token})).status_code == 200
        page = await client.get("/docs/", headers=host)
        script = re.findall(r'src="([^"]+)"', page.text)[0]
        loaded = await client.get(urljoin("http://agent/docs/", script), headers=host)
        assert loaded.headers["content-type"].startswith("text/javascript")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("prefix", "seen_as", "leads_to"),
    [
        pytest.param("server1", "https://host/server1", "https://host/server1/", id="one segment"),
        pytest.param("a/b-c.d", "https://host/a/b-c.d", "https://host/a/b-c.d/", id="several segments"),
        pytest.param("server1", "https://host/x/server1", "https://host/x/server1/", id="behind a proxy"),
    ],
)
@pytest.mark.usefixtures("simulation")
async def test_the_bare_prefix_has_a_relative_redirect_to_the_page(
    prefix: str, seen_as: str, leads_to: str
) -> None:
    """A relative redirect is right under any address that the client uses."""
    async with agent_client(URL_PREFIX=prefix, TOKEN=A_TOKEN) as client:
        response = await client.get(f"/{prefix}", headers={"Host": "evil.example"})
        assert response.status_code == 307
        location = response.headers["location"]
        assert not location.startswith(("http", "/"))
        assert leads_to == urljoin(seen_as, location)
        assert (await client.post(f"/{prefix}")).status_code == 405


@pytest.mark.anyio
@pytest.mark.parametrize("environ", [{}, {"URL_PREFIX": "server1"}, {"ROOT_PATH": "/proxied"}], ids=str)
@pytest.mark.usefixtures("simulation")
async def test_the_page_and_its_files_need_no_credential_under_any_prefix(environ: dict[str, str]) -> None:
    """The page refers to its files by relative paths."""
    base = f"http://agent/{environ.get('URL_PREFIX', '')}".rstrip("/") + "/"
    async with agent_client(**environ, TOKEN=A_TOKEN) as client:
        page = await client.get(base, headers={"Host": "evil.example"})
        files = re.findall(r'(?:src|href)="(web/[^"]+)"', page.text)
        parts = [await client.get(urljoin(base, file)) for file in files]
        outside = await client.get(urljoin(base, "web/../status"))
        missing = await client.get(urljoin(base, f"web/{BUILD}/nothing.js"))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert {f"web/{BUILD}/style.css", f"web/{BUILD}/page.js"} <= set(files)
    assert {part.status_code for part in parts} == {200}
    assert (outside.status_code, missing.status_code) == (401, 404)
    assert missing.json()["code"] == 1


@pytest.mark.anyio
@pytest.mark.usefixtures("simulation")
async def test_the_root_outside_of_the_prefix_is_404() -> None:
    """Another agent may be there."""
    async with agent_client(URL_PREFIX="server1") as client:
        assert (await client.get("/")).status_code == 404
