"""Both agents on one origin: every path is forwarded, and credentials of clients are replaced."""

from __future__ import annotations

import re
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.proxies.reverse_proxy import TOKENS, proxy
from tests.support import loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import Message

    from tests.proxies.reverse_proxy import Origin, Program, Setup

pytestmark = pytest.mark.slow

each_server = pytest.mark.parametrize("server", TOKENS)

# Headers with which a client may try to replace the injected token.
SPOOFED = [
    pytest.param([], id="nothing"),
    pytest.param([("Authorization", "wrong")], id="wrong token"),
    pytest.param([("Authorization", "Basic dXNlcjpwYXNzd29yZA==")], id="a browser's password"),
    pytest.param([("Authorization", "")], id="empty"),
    pytest.param([("Authorization", TOKENS["server2"])], id="the other server's token"),
    pytest.param([("X-API-Key", "wrong")], id="wrong key"),
]


@pytest.fixture
def client(origin: Origin) -> Iterator[httpx.Client]:
    with origin.client() as client:
        yield client


@each_server
@pytest.mark.parametrize("path", ["/status", "/gpu", "/count", "/health", "/ready"])
def test_a_client_without_a_credential_gets_data(client: httpx.Client, server: str, path: str) -> None:
    response = client.get(f"/{server}{path}")
    assert response.status_code == 200
    if path == "/status":
        assert response.json()["data"]["count"] == 2
    assert TOKENS[server] not in f"{response.headers}{response.text}"


@each_server
def test_the_query_reaches_the_agent(client: httpx.Client, server: str) -> None:
    devices = client.get(f"/{server}/status", params={"idx": " 1"}).json()["data"]["devices"]
    assert [device["idx"] for device in devices] == [1]
    assert client.get(f"/{server}/status", params={"idx": "x"}).status_code == 400


@each_server
def test_the_documentation_page_loads_with_all_its_files(client: httpx.Client, server: str) -> None:
    page = client.get(f"/{server}/docs")
    assert page.status_code == 200
    assert TOKENS[server] not in page.text
    assets = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(assets) >= 3
    (document,) = re.findall(r"""url: ["']([^"']+)""", page.text)
    for path in (*assets, document):
        url = page.url.join(path)
        assert url.netloc == page.url.netloc, "nothing comes from another origin"
        assert url.path.startswith(f"/{server}/"), "no URL leaves the prefix"
        assert client.get(url).status_code == 200
    openapi = client.get(page.url.join(document)).json()
    bases = [entry["url"] for entry in openapi.get("servers", [{"url": ""}])]
    assert openapi["paths"]
    for path in openapi["paths"]:
        assert f"{bases[0]}{path}".startswith(f"/{server}/"), "where the page's Try it out leads"


@each_server
def test_the_bare_prefix_redirects_to_the_page_on_the_same_origin(client: httpx.Client, server: str) -> None:
    redirect = client.get(f"/{server}")
    assert redirect.status_code in {301, 302, 307, 308}
    assert "://" not in redirect.headers["location"]
    assert redirect.url.join(redirect.headers["location"]) == client.base_url.join(f"/{server}/")
    page = client.get(f"/{server}", follow_redirects=True)
    assert page.status_code == 200
    assert str(page.url).startswith(f"{client.base_url.join(f'/{server}/')}")


@each_server
@pytest.mark.parametrize("path", ["/status", "/docs", "/openapi.json", "/health"])
def test_head_has_the_headers_of_get_and_no_body(client: httpx.Client, server: str, path: str) -> None:
    head = client.head(f"/{server}{path}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == client.get(f"/{server}{path}").headers["content-type"]


@pytest.mark.parametrize("path", ["/", "/status", "/server3/status", "/server10/status", "/server1x"])
def test_no_other_path_reaches_an_agent(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


@each_server
def test_an_error_of_the_agent_arrives_unchanged(client: httpx.Client, server: str) -> None:
    response = client.get(f"/{server}/nothing")
    assert response.status_code == 404
    assert response.json()["code"] == 1
    assert client.post(f"/{server}/status").status_code == 405


@each_server
@pytest.mark.parametrize("headers", SPOOFED)
def test_a_credential_of_the_client_changes_nothing(
    client: httpx.Client, server: str, headers: list[tuple[str, str]]
) -> None:
    assert client.get(f"/{server}/status", headers=headers).status_code == 200


@each_server
def test_two_credentials_of_a_client_are_ignored_or_refused(client: httpx.Client, server: str) -> None:
    twice = [("Authorization", "wrong"), ("Authorization", "Bearer wrong")]
    assert client.get(f"/{server}/status", headers=twice).status_code in {200, 400}  # nginx refuses them


def test_answers_are_compressed_for_clients_that_accept_gzip(client: httpx.Client) -> None:
    for path in ("/server1/status", "/server1/openapi.json"):
        assert client.get(path, headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"
        assert "content-encoding" not in client.get(path, headers={"Accept-Encoding": "identity"}).headers


def test_plain_http_redirects_to_https(origin: Origin) -> None:
    response = loopback.get(f"{origin.http_url}/server1/status", trust_env=False)
    assert response.status_code in {301, 308}
    assert response.headers["location"].startswith("https://localhost")
    assert httpx.URL(response.headers["location"]).path == "/server1/status"


@contextmanager
def recorder() -> Iterator[tuple[str, Future[Message]]]:
    """The URL of a server instead of an agent, and the headers of the first request that it gets."""
    header: Future[Message] = Future()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.request_version == "HTTP/1.1"
            header.set_result(self.headers)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", header
        finally:
            server.shutdown()


@pytest.mark.parametrize("headers", SPOOFED)
def test_the_token_of_the_proxy_is_the_only_credential_that_an_agent_gets(
    program: Program, set_up: Callable[[tuple[str, str]], Setup], headers: list[tuple[str, str]]
) -> None:
    with ExitStack() as stack:
        recorders = [stack.enter_context(recorder()) for _ in TOKENS]
        (first, _), (second, _) = recorders
        running = stack.enter_context(proxy(program, set_up((first, second))))
        for (server, token), (_, header) in zip(TOKENS.items(), recorders, strict=True):
            with running.client() as client:
                assert client.get(f"/{server}/status", headers=headers).status_code == 204
            received = header.result(timeout=5)
            assert received.get_all("Authorization") == [token]
            assert received["Host"].partition(":")[0] == "localhost", "what ALLOWED_HOSTS is compared with"
            assert received["X-Forwarded-For"] == "127.0.0.1"
            assert received.get("Connection", "keep-alive") == "keep-alive"
