"""Which names the agent answers to (ALLOWED_HOSTS), and which pages may read its answers (CORS_ORIGINS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.http.web import BUILD
from agent.simulation import Simulation
from tests.http.wire import A_TOKEN, error_in, exchange
from tests.support import loopback
from tests.support.agents import agent_client, agent_server
from tests.support.endpoints import PATHS, WITH_END

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

PROBES = {"/health", "/ready"}
HOSTS = "gpu1.example.org,*.lab.example.org,192.0.2.7,[2001:DB8:0::1]"
REFUSAL = "The Host header names no host of ALLOWED_HOSTS"
NO_HOST = "The Host header is not a host; accepted: host or host:port"  # with any ALLOWED_HOSTS
ORIGIN = "https://dash.example.org"


# Hosts


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    with Simulation(gpus=1), agent_server(ALLOWED_HOSTS=HOSTS) as url:
        yield url


@pytest.fixture(scope="module")
def client(guarded: str) -> Iterator[httpx.Client]:
    with loopback.Client(base_url=guarded) as client:
        yield client


@pytest.mark.parametrize(
    "host",
    [
        "gpu1.example.org",
        "gpu1.example.org:8000",
        "GPU1.Example.ORG",
        "a.lab.example.org",
        "a.b.LAB.example.org:443",
        "192.0.2.7",
        "192.0.2.7:8000",
        "[2001:db8::1]",
        "[2001:DB8::1]:8000",
        "[2001:db8:0:0::0:1]",
        "gpu1.example.org.",  # the final dot means the same name
        "a.lab.example.org.:8000",
        "a_1.lab.example.org",
        "xn--bcher-kva.lab.example.org",
    ],
)
def test_an_allowed_host_is_answered(client: httpx.Client, host: str) -> None:
    """Case and port do not matter."""
    assert client.get("/count", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "",
        ":8000",
        "gpu1.example.org.evil.example",
        "evilgpu1.example.org",
        "example.org",
        "lab.example.org",
        "evil-lab.example.org",
        "lab.example.org.evil.example",
        "192.0.2.70",
        "127.0.0.1",
        "localhost:8000",
        "2001:db8::1",
        "[2001:db8::2]",
        "[2001:db8::1",
        "[",
        "*",
        "*.lab.example.org.",
        "gpu1.example.org@evil.example",
        "\xe9",
        "user@gpu1.example.org",
        "gpu1.example.org/",
        "gpu1.example.org/path",
        "gpu1.example.org?",
        "gpu1.example.org#",
        "gpu1.example.org:",
        "gpu1.example.org:http",
        "gpu1.example.org:8000:8000",
        "gpu1.example.org:-1",
        "gpu1.example.org:65536",
        "gpu1.example.org:8000 evil",
        "gpu1.example.org, evil.example",
        "gpu1.example.org,evil.example",
        "gpu1.example.org..",
        "gpu1..example.org",
        ".gpu1.example.org",
        ".lab.example.org",
        "..lab.example.org",
        "a..lab.example.org",
        "*.lab.example.org",
        "-a.lab.example.org",
        "%61.lab.example.org",
        "%67pu1.example.org",
        "a\\.lab.example.org",
        "a:80.lab.example.org",
        "\xfc.lab.example.org",
        "a" * 64 + ".lab.example.org",
        "http://gpu1.example.org",
        "[2001:db8::1]8000",
        "[2001:db8::1%25eth0]",
        "[2001:db8::1].lab.example.org",
        "[192.0.2.7]",
        "x.192.0.2.7",
    ],
)
def test_any_other_host_is_refused(client: httpx.Client, host: str) -> None:
    """This prevents DNS rebinding: an attacker whose name leads to the agent gets no data."""
    for path in (*sorted({*PATHS} - PROBES), "/nope", "/health//", "/healthz"):
        response = client.get(path, headers={b"Host": host.encode("latin-1")})
        assert response.status_code == 400
        assert error_in(response) in {REFUSAL, NO_HOST}


@pytest.mark.parametrize(
    ("request_bytes", "error"),
    [
        pytest.param(b"GET /count HTTP/1.0\r\n\r\n", REFUSAL, id="no Host at all"),
        pytest.param(
            b"GET /count HTTP/1.0\r\nHost: gpu1.example.org\r\nHost: evil\r\n\r\n",
            "There is more than one Host header; accepted: one",
            id="two",
        ),
        pytest.param(
            b"GET /count HTTP/1.0\r\nX-Forwarded-Host: gpu1.example.org\r\n\r\n", REFUSAL, id="forwarded only"
        ),
        pytest.param(
            b"GET http://gpu1.example.org/count HTTP/1.0\r\nHost: evil\r\n\r\n",
            "The request target names another host than the Host header",
            id="another in the target",
        ),
        pytest.param(b"GET http://evil/count HTTP/1.0\r\n\r\n", REFUSAL, id="an unknown one in the target"),
        pytest.param(
            b"GET /count HTTP/1.1\r\nHost: evil\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"0\r\nHost: gpu1.example.org\r\n\r\n",
            REFUSAL,
            id="in a trailer",
        ),
    ],
)
def test_an_ambiguous_host_is_refused(guarded: str, request_bytes: bytes, error: str) -> None:
    """Only one Host header counts, or the target if there is no Host header."""
    reply = exchange(guarded, request_bytes)
    assert (reply.status, reply.error) == (400, error)


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"GET http://gpu1.example.org/count HTTP/1.0\r\n\r\n", id="HTTP/1.0"),
        pytest.param(
            b"GET HTTP://gpu1.example.org:80/count?x HTTP/1.1\r\nHost: GPU1.example.org:80\r\n"
            b"Connection: close\r\n\r\n",
            id="HTTP/1.1",
        ),
    ],
)
def test_a_request_target_with_an_allowed_host_is_answered(guarded: str, request_bytes: bytes) -> None:
    """A client that uses the agent as a proxy sends such a target."""
    assert exchange(guarded, request_bytes).status == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("environ", "prefix"),
    [({}, ""), ({"URL_PREFIX": "server1"}, "/server1"), ({"ROOT_PATH": "/proxied"}, "")],
    ids=["no prefix", "prefix", "ROOT_PATH"],
)
@pytest.mark.usefixtures("simulation")
async def test_only_probes_are_answered_under_any_host(environ: dict[str, str], prefix: str) -> None:
    """Probes request `/health` and `/ready` by IP address."""
    async with agent_client(ALLOWED_HOSTS=HOSTS, **environ) as client:
        asked = {
            path: (await client.get(prefix + path, headers={"Host": "10.0.0.9:8000"})).status_code
            for path in PATHS
        }
        assert asked == {path: 200 if path in PROBES else 400 for path in PATHS}
        assert (await client.head(f"{prefix}/health", headers={"Host": "10.0.0.9"})).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["evil.example", "", "\xe9"])
@pytest.mark.usefixtures("simulation")
async def test_by_default_every_host_is_answered(host: str) -> None:
    """Hosts of a cluster have many names."""
    async with agent_client() as client:
        assert (await client.get("/count", headers={b"Host": host.encode("latin-1")})).status_code == 200


@pytest.mark.anyio
@pytest.mark.usefixtures("simulation")
async def test_the_host_is_checked_before_the_credential() -> None:
    """A foreign page must not even learn that there is a TOKEN."""
    async with agent_client(ALLOWED_HOSTS=HOSTS, TOKEN=A_TOKEN) as client:
        assert (await client.get("/count", headers={"Host": "evil"})).status_code == 400
        assert (await client.get("/count", headers={"Host": "gpu1.example.org"})).status_code == 401


# Origins


def cors_headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


def preflight(origin: str = ORIGIN, *, method: str = "GET", headers: str = "authorization") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


@pytest.mark.anyio
@pytest.mark.usefixtures("simulation")
async def test_by_default_no_page_of_another_origin_may_read() -> None:
    """No path has a CORS header, and a preflight does not succeed."""
    async with agent_client() as client:
        for path in (*WITH_END, "/nope", "/gpu/stream?interval=x"):
            assert cors_headers(await client.get(path, headers={"Origin": ORIGIN})) == {}
            answer = await client.options(path, headers=preflight())
            assert (cors_headers(answer), answer.status_code in (404, 405)) == ({}, True)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "headers",
    ["authorization", "x-api-key", "Authorization, X-API-Key", "cache-control,last-event-id"],
)
@pytest.mark.usefixtures("simulation")
async def test_a_preflight_of_a_listed_origin_is_granted(headers: str) -> None:
    """A preflight has no credential. It is for the headers of credentials and of an EventSource."""
    async with agent_client(CORS_ORIGINS=f"{ORIGIN},http://localhost:5173", TOKEN=A_TOKEN) as client:
        for path in (*PATHS, "/nope"):
            assert_granted(await client.options(path, headers=preflight(headers=headers)))


def assert_granted(answer: httpx.Response) -> None:
    granted = cors_headers(answer)
    assert answer.status_code == 200
    assert granted["access-control-allow-origin"] == ORIGIN
    assert {"GET", "HEAD"} == set(granted["access-control-allow-methods"].split(", "))
    allowed = granted["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "x-api-key", "cache-control", "last-event-id"} <= set(allowed)
    assert granted["access-control-allow-credentials"] == "true", "a proxy in front may require credentials"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(preflight("https://evil.example"), id="another origin"),
        pytest.param(preflight("http://dash.example.org"), id="another scheme"),
        pytest.param(preflight(ORIGIN + ":8443"), id="another port"),
        pytest.param(preflight(ORIGIN + ".evil.example"), id="a longer name"),
        pytest.param(preflight("null"), id="null"),
        pytest.param(preflight(method="POST"), id="another method"),
        pytest.param(preflight(headers="x-anything"), id="another header"),
    ],
)
@pytest.mark.usefixtures("simulation")
async def test_any_other_preflight_is_refused(asked: dict[str, str]) -> None:
    """The status is enough for a browser; the sentence is for people."""
    async with agent_client(CORS_ORIGINS=ORIGIN) as client:
        answer = await client.options("/count", headers=asked)
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["data"]) == (1, None)
    assert "Disallowed CORS" in answer.json()["error"]
    assert "Origin" in answer.headers["vary"]
    if asked["Origin"] != ORIGIN:
        assert cors_headers(answer) == {}
    else:
        assert cors_headers(answer)["access-control-allow-origin"] == ORIGIN, "its page may read the sentence"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/count", 200),
        ("/status", 200),
        ("/health", 200),
        ("/", 200),
        ("/status?idx=a", 400),
        ("/gpu/stream?interval=x", 400),
        ("/nope", 404),
    ],
)
@pytest.mark.usefixtures("simulation")
async def test_a_page_of_a_listed_origin_may_read_every_answer(path: str, status: int) -> None:
    """This includes errors, so that the page can show them."""
    async with agent_client(CORS_ORIGINS=ORIGIN) as client:
        ours = await client.get(path, headers={"Origin": ORIGIN})
        assert (status, ORIGIN) == (ours.status_code, ours.headers["access-control-allow-origin"])
        assert ours.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in ours.headers["vary"]
        assert cors_headers(await client.get(path, headers={"Origin": "https://evil.example"})) == {}
        assert cors_headers(await client.get(path)) == {}


@pytest.mark.anyio
@pytest.mark.parametrize("origin", [{}, {"Origin": ORIGIN}, {"Origin": "https://evil.example"}])
@pytest.mark.usefixtures("simulation")
async def test_a_cached_document_varies_by_origin(origin: dict[str, str]) -> None:
    """A cache must request it again for another origin, even if the first request had none."""
    async with agent_client(CORS_ORIGINS=ORIGIN) as client:
        for path in ("/", "/openapi.json", f"/web/{BUILD}/page.js"):
            first = await client.get(path, headers=origin)
            again = await client.get(path, headers={**origin, "If-None-Match": first.headers["etag"]})
            assert (first.status_code, again.status_code) == (200, 304)
            for response in (first, again):
                assert {"Origin", "Accept-Encoding"} <= set(response.headers["vary"].split(", "))


@pytest.mark.anyio
async def test_a_page_of_a_listed_origin_may_read_errors_401_and_500(simulation: Simulation) -> None:
    """These are a wrong credential and a missing driver."""
    simulation.remove_driver()
    async with agent_client(CORS_ORIGINS=ORIGIN, TOKEN=A_TOKEN) as client:
        for credential, status in (({}, 401), ({"Authorization": A_TOKEN}, 500)):
            response = await client.get("/count", headers={"Origin": ORIGIN, **credential})
            assert (status, ORIGIN) == (response.status_code, response.headers["access-control-allow-origin"])
            assert error_in(response)


@pytest.mark.anyio
@pytest.mark.usefixtures("simulation")
async def test_with_a_star_every_page_may_read_but_without_browser_credentials() -> None:
    """The operator wants this, but no page may use the credentials that a browser stores for a proxy."""
    async with agent_client(CORS_ORIGINS="*") as client:
        response = await client.get("/count", headers={"Origin": "https://any.example", "Cookie": "a=b"})
        assert cors_headers(response) == {
            "access-control-allow-origin": "*",
            "access-control-expose-headers": "X-Agent-Build",
        }
        granted = await client.options("/count", headers=preflight("https://any.example"))
        assert (granted.status_code, granted.headers["access-control-allow-origin"]) == (200, "*")
        assert "access-control-allow-credentials" not in granted.headers


@pytest.mark.anyio
@pytest.mark.parametrize(("origin", "is_listed"), [(ORIGIN, True), ("https://evil.example", False)])
@pytest.mark.usefixtures("simulation")
async def test_only_a_listed_page_on_a_public_address_may_request_a_private_address(
    origin: str, is_listed: bool
) -> None:
    """A browser asks for this permission with its own header."""
    async with agent_client(CORS_ORIGINS=ORIGIN) as client:
        asked = {**preflight(origin), "Access-Control-Request-Private-Network": "true"}
        answer = await client.options("/gpu", headers=asked)
    assert (answer.status_code == 200) is is_listed
    assert (answer.headers.get("access-control-allow-private-network") == "true") is is_listed


def test_the_stream_has_the_cors_header_too() -> None:
    """An EventSource on another origin needs it."""
    with (
        Simulation(gpus=1),
        agent_server(CORS_ORIGINS=ORIGIN) as url,
        loopback.stream("GET", f"{url}/gpu/stream", headers={"Origin": ORIGIN}) as response,
    ):
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert next(response.iter_lines()).startswith("data: ")
