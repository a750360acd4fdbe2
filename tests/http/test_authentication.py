"""Who may read what: every combination of path, credential, configuration and layout."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import pytest

from agent.app import create_app
from agent.http.authentication import ADMISSION_KEY, Admission, Authentication
from agent.http.tokens import Tokens
from agent.http.web import BUILD
from agent.routes import ENDPOINTS
from agent.simulation import Simulation
from tests.http.wire import error_in, error_of, request
from tests.support import loopback
from tests.support.agents import agent_client, agent_server, first_contact, settings
from tests.support.endpoints import OPEN as OPEN_PATHS
from tests.support.endpoints import PATHS, STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "changeme-T0ken"  # noqa: S105  opens nothing but the agents of these tests
TOKENS = ["first of TOKENS", "second:of/TOKENS?&="]
METRICS_TOKEN = "changeme-METRICS_TOKEN"  # noqa: S105  opens nothing
KEY = "key-of-API_KEY"
KEYS = ["first of API_KEYS", "second:of/API_KEYS?&="]

OPEN = OPEN_PATHS | {"/static-offline-docs/favicon.png", f"/web/{BUILD}/page.js"}
UNKNOWN = {"/nope", "/status//", "/gpu/stream//", "/healthz"}
# Some data paths that the matrix must contain; it includes all others automatically.
DATA = {"/count", "/status", "/gpu"}

CONFIGURED: dict[str, dict[str, str]] = {
    "nothing": {},
    "TOKEN": {"TOKEN": TOKEN},
    "keys": {"API_KEY": KEY, "API_KEYS": ",".join(KEYS)},
    "both": {"TOKEN": TOKEN, "API_KEY": KEY, "API_KEYS": ",".join(KEYS)},
    "tokens": {"TOKEN": TOKEN, "TOKENS": ",".join(TOKENS), "METRICS_TOKEN": METRICS_TOKEN},
}
METRICS = "/metrics"
LAYOUTS: dict[str, dict[str, str]] = {
    "no prefix": {},
    "prefix": {"URL_PREFIX": "server1"},
    "ROOT_PATH": {"ROOT_PATH": "/proxied"},
    "prefix and ROOT_PATH": {"URL_PREFIX": "a/server1", "ROOT_PATH": "/proxied"},
    "ROOT_PATH like a path": {"ROOT_PATH": "/gpu"},
}


SECRETS = [TOKEN, *TOKENS, METRICS_TOKEN, KEY, *KEYS]


class Credential(NamedTuple):
    """The headers and the query of a request, and which secrets they contain."""

    headers: list[tuple[str, str]]
    query: list[tuple[str, str]]
    is_token: bool = False
    is_one_of_tokens: bool = False
    is_metrics_token: bool = False
    is_key: bool = False


def header(name: str, *values: str) -> list[tuple[str, str]]:
    return [(name, value) for value in values]


CREDENTIALS = {
    "none": Credential([], []),
    # The TOKEN
    "TOKEN": Credential(header("Authorization", TOKEN), [], is_token=True),
    "TOKEN, header in small letters": Credential(header("authorization", TOKEN), [], is_token=True),
    "Bearer TOKEN": Credential(header("Authorization", f"Bearer {TOKEN}"), [], is_token=True),
    "bearer TOKEN": Credential(header("Authorization", f"bearer {TOKEN}"), [], is_token=True),
    "BEARER TOKEN": Credential(header("Authorization", f"BEARER {TOKEN}"), [], is_token=True),
    "bEaReR TOKEN": Credential(header("Authorization", f"bEaReR {TOKEN}"), [], is_token=True),
    "Basic TOKEN": Credential(header("Authorization", f"Basic {TOKEN}"), []),
    "BearerTOKEN": Credential(header("Authorization", f"Bearer{TOKEN}"), []),
    "Bearer Bearer TOKEN": Credential(header("Authorization", f"Bearer Bearer {TOKEN}"), []),
    "wrong": Credential(header("Authorization", "wrong"), []),
    "Bearer wrong": Credential(header("Authorization", "Bearer wrong"), []),
    "Bearer alone": Credential(header("Authorization", "Bearer "), []),
    "empty": Credential(header("Authorization", ""), []),
    "TOKEN and more": Credential(header("Authorization", TOKEN + "x"), []),
    "TOKEN cut short": Credential(header("Authorization", TOKEN[:-1]), []),
    "TOKEN in capitals": Credential(header("Authorization", TOKEN.upper()), []),
    "TOKEN in quotes": Credential(header("Authorization", f'"{TOKEN}"'), []),
    "TOKEN twice": Credential(header("Authorization", TOKEN, TOKEN), []),
    "TOKEN after a wrong one": Credential(header("Authorization", "wrong", TOKEN), []),
    "TOKEN before a wrong one": Credential(header("Authorization", TOKEN, "wrong"), []),
    "TOKEN as list": Credential(header("Authorization", f"wrong, {TOKEN}"), []),
    "TOKEN as X-API-Key": Credential(header("X-API-Key", TOKEN), []),
    "TOKEN as cookie": Credential(header("Cookie", f"Authorization={TOKEN}; token={TOKEN}"), []),
    "TOKEN as Proxy-Authorization": Credential(header("Proxy-Authorization", TOKEN), []),
    "TOKEN as ?api_key": Credential([], [("api_key", TOKEN)]),
    "TOKEN as ?token": Credential([], [("token", TOKEN)]),
    "TOKEN as ?Authorization": Credential([], [("Authorization", TOKEN)]),
    # TOKENS and METRICS_TOKEN
    "first of TOKENS": Credential(header("Authorization", TOKENS[0]), [], is_one_of_tokens=True),
    "Bearer second of TOKENS": Credential(
        header("Authorization", f"Bearer {TOKENS[1]}"), [], is_one_of_tokens=True
    ),
    "all TOKENS as one": Credential(header("Authorization", ",".join(TOKENS)), []),
    "two of TOKENS": Credential(header("Authorization", *TOKENS), []),
    "one of TOKENS as X-API-Key": Credential(header("X-API-Key", TOKENS[0]), []),
    "one of TOKENS as ?api_key": Credential([], [("api_key", TOKENS[0])]),
    "METRICS_TOKEN": Credential(header("Authorization", METRICS_TOKEN), [], is_metrics_token=True),
    "bearer METRICS_TOKEN": Credential(
        header("Authorization", f"bearer {METRICS_TOKEN}"), [], is_metrics_token=True
    ),
    "METRICS_TOKEN cut short": Credential(header("Authorization", METRICS_TOKEN[:-1]), []),
    "METRICS_TOKEN as X-API-Key": Credential(header("X-API-Key", METRICS_TOKEN), []),
    "METRICS_TOKEN as ?api_key": Credential([], [("api_key", METRICS_TOKEN)]),
    # The keys
    "API_KEY in the header": Credential(header("X-API-Key", KEY), [], is_key=True),
    "API_KEYS in the header": Credential(header("x-api-key", KEYS[1]), [], is_key=True),
    "API_KEY in the query": Credential([], [("api_key", KEY)], is_key=True),
    "API_KEYS in the query": Credential([], [("api_key", KEYS[0])], is_key=True),
    "API_KEYS in the query, escaped": Credential([], [("api_key", KEYS[1])], is_key=True),
    "all API_KEYS as one": Credential(header("X-API-Key", ",".join(KEYS)), []),
    "wrong key in the header": Credential(header("X-API-Key", "wrong"), []),
    "wrong key in the query": Credential([], [("api_key", "wrong")]),
    "empty key in the header": Credential(header("X-API-Key", ""), []),
    "empty key in the query": Credential([], [("api_key", "")]),
    "key twice in the header": Credential(header("X-API-Key", KEY, KEY), []),
    "key twice in the query": Credential([], [("api_key", KEY), ("api_key", KEY)]),
    "key behind an empty one in the query": Credential([], [("api_key", ""), ("api_key", KEY)]),
    "key as Authorization": Credential(header("Authorization", KEY), []),
    "key as Bearer": Credential(header("Authorization", f"Bearer {KEY}"), []),
    "key as ?API_KEY": Credential([], [("API_KEY", KEY)]),
    "key as ?x-api-key": Credential([], [("x-api-key", KEY)]),
    "key as cookie": Credential(header("Cookie", f"api_key={KEY}"), []),
    # One valid credential is enough, whatever else is sent
    "wrong key in the header, key in the query": Credential(
        header("X-API-Key", "wrong"), [("api_key", KEY)], is_key=True
    ),
    "wrong TOKEN and a key": Credential(
        [*header("Authorization", "wrong"), *header("X-API-Key", KEY)], [], is_key=True
    ),
    "TOKEN and a wrong key": Credential(
        [*header("Authorization", TOKEN), *header("X-API-Key", "wrong")], [], is_token=True
    ),
    "TOKEN and a key": Credential(
        [*header("Authorization", TOKEN), *header("X-API-Key", KEY)], [], is_token=True, is_key=True
    ),
}


def may_read(path: str, credential: Credential, configured: str) -> bool:
    """The rules of the contract, written independently of the agent."""
    if path in OPEN or configured == "nothing":
        return True
    has_token = credential.is_token and configured != "keys"
    has_token |= credential.is_one_of_tokens and configured == "tokens"
    if path == STREAM:
        return has_token or (configured in ("keys", "both") and credential.is_key)
    if path == METRICS and configured == "tokens" and credential.is_metrics_token:
        return True
    return configured == "keys" or has_token


def every_path(document: dict[str, Any]) -> set[str]:
    """Every path of the agent, in its OpenAPI document or not, and some paths that do not exist."""
    assert DATA | {STREAM, "/health", "/ready"} <= document["paths"].keys()
    return {*document["paths"], *PATHS, *OPEN, *UNKNOWN}


@pytest.fixture(scope="module")
def paths() -> set[str]:
    """Every path, from the document of a running agent."""
    with Simulation(gpus=1), agent_server() as url:
        return every_path(loopback.get(f"{url}/openapi.json").json())


# Quick: every configuration without a prefix, and both secrets with prefix and ROOT_PATH. The rest is slow.
COMBINATIONS = [
    pytest.param(
        layout,
        configured,
        marks=()
        if layout == "no prefix" or (layout, configured) == ("prefix and ROOT_PATH", "both")
        else pytest.mark.slow,
        id=f"{layout}-{configured}",
    )
    for layout in LAYOUTS
    for configured in CONFIGURED
]


@pytest.mark.anyio
@pytest.mark.parametrize(("layout", "configured"), COMBINATIONS)
@pytest.mark.usefixtures("simulation")
async def test_every_path_admits_exactly_the_credentials_of_its_rule(layout: str, configured: str) -> None:
    """A 401 is an envelope that requests a bearer token. An admitted unknown path is a 404."""
    environ = {**LAYOUTS[layout], **CONFIGURED[configured]}
    prefix = f"/{environ['URL_PREFIX']}" if "URL_PREFIX" in environ else ""
    app = create_app(settings(**environ))
    async with app.router.lifespan_context(app):
        await first_contact(app.state.shared.sampler)
        documents = await ask(app, f"{prefix}/openapi.json", [], [])
        asked = every_path(json.loads(documents[2]))
        expected = {
            (path, name): may_read(path, credential, configured)
            for path in asked
            for name, credential in CREDENTIALS.items()
        }
        found = {}
        for path, name in expected:
            credential = CREDENTIALS[name]
            # A stream has no end, so a wrong interval ends it with 400 once it is admitted.
            query = [*credential.query, *([("interval", "0")] if path == STREAM else [])]
            status, headers, body = await ask(app, prefix + path, credential.headers, query)
            found[path, name] = status != 401
            if status == 401:
                assert headers[b"www-authenticate"] == b"Bearer"
                error = error_of(status, body)
                assert not [secret for secret in SECRETS if secret in error]
            elif path in UNKNOWN:
                assert status == 404
            elif path == STREAM:
                assert status == 400
            elif path in OPEN | DATA and "twice in the query" not in name:
                assert status in (200, 307)
    assert expected == found


async def ask(
    app: ASGIApp, path: str, headers: list[tuple[str, str]], query: list[tuple[str, str]]
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of a GET, directly from the app: there are some ten thousand requests."""
    messages_sent: list[Message] = []

    async def receive() -> Message:
        return await asyncio.Future()  # the client has sent its request, and stays connected

    async def send(message: Message) -> None:
        messages_sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": urlencode(query).encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    await app(scope, receive, send)
    start, *parts = messages_sent
    return start["status"], dict(start["headers"]), b"".join(part.get("body", b"") for part in parts)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["none", "wrong", "TOKEN and a key"])
@pytest.mark.usefixtures("simulation")
async def test_every_path_outside_of_the_prefix_is_404(name: str, paths: set[str]) -> None:
    """This holds even with the TOKEN: another agent may be there."""
    async with agent_client(URL_PREFIX="server1", **CONFIGURED["both"]) as client:
        credential = CREDENTIALS[name]
        for path in [
            *paths,
            "/server10",
            "/server10/status",
            "/server/status",
            "/server1status",
            "/a/server1/count",
        ]:
            response = await client.get(path, headers=credential.headers, params=dict(credential.query))
            assert (404, path) == (response.status_code, path)
            error_in(response)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"]
)
@pytest.mark.usefixtures("simulation")
async def test_every_method_requires_the_credential(method: str, paths: set[str]) -> None:
    """This includes a preflight request, while CORS is not configured."""
    preflight = {"Origin": "http://evil", "Access-Control-Request-Method": "GET"}
    async with agent_client(**CONFIGURED["both"]) as client:
        for path in paths - OPEN:
            assert (401, path) == ((await client.request(method, path, headers=preflight)).status_code, path)


NON_ASCII = "Schlüssel-ÿ£"


@pytest.mark.anyio
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
@pytest.mark.usefixtures("simulation")
async def test_a_secret_outside_ascii_is_accepted_as_latin_1_and_as_utf_8(encoding: str) -> None:
    """RFC 9110 requires latin-1, but curl sends UTF-8, like the terminal."""
    sent = NON_ASCII.encode(encoding)
    escaped = "".join(f"%{byte:02x}" for byte in sent)
    async with agent_client(TOKEN=NON_ASCII, API_KEY=NON_ASCII) as client:
        assert (await client.get("/count")).status_code == 401
        assert (await client.get("/count", headers={b"Authorization": sent})).status_code == 200
        assert (await client.get("/count", headers={b"Authorization": b"Bearer " + sent})).status_code == 200
        stream = f"{STREAM}?interval=0"
        assert (await client.get(stream, headers={b"X-API-Key": sent})).status_code == 400
        assert (await client.get(f"{stream}&api_key={escaped}")).status_code == 400
        assert (await client.get(f"{stream}&api_key={escaped[:-3]}")).status_code == 401


@pytest.mark.anyio
@pytest.mark.parametrize(
    "given",
    [b"\xff\xfe", b"\xed\xa0\x80", b"\x80", "Schlüssel-ÿ".encode(), b"\xef\xbf\xbd" * 12],
    ids=["not UTF-8", "a surrogate", "half a letter", "cut short", "replacement characters"],
)
@pytest.mark.usefixtures("simulation")
async def test_invalid_bytes_are_never_a_credential(given: bytes) -> None:
    """They do not cause an internal error either."""
    escaped = "".join(f"%{byte:02x}" for byte in given)
    async with agent_client(TOKEN=NON_ASCII, API_KEY=NON_ASCII) as client:
        for path in ("/count", STREAM):
            for name in (b"Authorization", b"X-API-Key"):
                assert (await client.get(path, headers={name: given})).status_code == 401
            assert (await client.get(f"{path}?api_key={escaped}")).status_code == 401


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("configured", "path", "ways"),
    [
        ("TOKEN", "/status", "the header Authorization: <TOKEN>"),
        ("TOKEN", STREAM, "the header Authorization: <TOKEN>"),
        ("TOKEN", METRICS, "the header Authorization: <TOKEN>"),
        ("tokens", STREAM, "the header Authorization: <TOKEN>"),
        ("tokens", METRICS, "the header Authorization: <TOKEN or METRICS_TOKEN>"),
        ("keys", STREAM, "the header X-API-Key: <key> or the parameter api_key=<key>"),
        (
            "both",
            STREAM,
            "the header Authorization: <TOKEN> or the header X-API-Key: <key> or the parameter api_key=<key>",
        ),
    ],
)
@pytest.mark.usefixtures("simulation")
async def test_a_401_names_the_credentials_that_the_path_accepts(
    configured: str, path: str, ways: str
) -> None:
    """The author of the client can then correct it."""
    async with agent_client(**CONFIGURED[configured]) as client:
        sentence = f"The credential is missing or wrong; this path takes {ways}"
        assert sentence == error_in(await client.get(path))


@pytest.mark.anyio
@pytest.mark.usefixtures("simulation")
async def test_no_answer_contains_a_secret(paths: set[str]) -> None:
    """This holds for open paths and for errors, with and without a credential."""
    async with agent_client(**CONFIGURED["both"]) as client:
        for credential in (CREDENTIALS["none"], CREDENTIALS["TOKEN and a key"]):
            for path in [
                *paths,
                "/status?idx=x",
                "/status?process=x",
                f"{STREAM}?interval=x",
            ]:
                if path == STREAM and credential.is_token:
                    continue  # has no end
                for method in ("GET", "POST"):
                    response = await client.request(method, path, headers=credential.headers)
                    told = f"{response.headers} {response.text}"
                    assert not [secret for secret in (TOKEN, KEY, *KEYS) if secret in told], path


@pytest.mark.anyio
async def test_only_streams_and_waiting_requests_can_end_when_their_token_is_withdrawn() -> None:
    lasting: set[str] = set()

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        if ADMISSION_KEY in scope:
            lasting.add(scope["path"])

    guarded = Authentication(app, endpoints=ENDPOINTS, tokens=Tokens([]))
    for path in PATHS:
        scope = {"type": "http", "path": path, "root_path": "", "headers": [], "query_string": b""}
        await guarded(scope, no_message, no_answer)

    assert lasting == {"/free", STREAM}


def test_a_running_request_is_authenticated_again_only_after_the_tokens_change() -> None:
    tokens, asked = Tokens([TOKEN]), list[bool]()
    answers = iter([True, False, True])

    def admits() -> bool:
        asked.append(next(answers))
        return asked[-1]

    admission = Admission(tokens, admits)
    assert not admission.is_withdrawn()
    assert not asked
    for is_withdrawn in (False, True, False):
        tokens.generation += 1
        assert [admission.is_withdrawn() for _ in range(2)] == [is_withdrawn] * 2
    assert len(asked) == 3


async def no_message() -> Message:
    raise AssertionError


async def no_answer(message: Message) -> None:
    raise AssertionError(message)


@pytest.fixture(scope="module")
def both() -> Iterator[str]:
    """The URL of an agent with TOKEN and keys, under the prefix /server1."""
    with Simulation(gpus=1), agent_server(URL_PREFIX="server1", **CONFIGURED["both"]) as url:
        yield url


@pytest.fixture(scope="module")
def only_keys() -> Iterator[str]:
    """The URL of an agent with keys only and no prefix: everything except the stream is open."""
    with Simulation(gpus=1), agent_server(**CONFIGURED["keys"]) as url:
        yield url


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/status", 404),
        ("//status", 404),
        ("//server1/status", 404),
        ("/./server1/status", 404),
        ("/x/../server1/status", 404),
        ("/SERVER1/status", 404),
        ("/server1;x/status", 404),
        ("/server1%00/status", 404),
        ("/server1%0A/status", 404),
        ("http://agent/status", 404),
        ("/server1/status", 401),
        ("/server1//status", 401),
        ("/server1/./status", 401),
        ("/server1/../status", 401),
        ("/server1/../server1/status", 401),
        ("/server1/docs/../status", 401),
        ("/server1/health/../status", 401),
        ("/server1/static-offline-docs/../status", 404),
        ("/server1/static-offline-docs/..%2Fstatus", 404),
        ("/server1/static-offline-docs/%2e%2e/status", 404),
        ("/server1/static-offline-docs", 401),
        ("/server1/STATUS", 401),
        ("/server1/status/", 401),
        ("/server1/status;x", 401),
        ("/server1/status;/../docs", 401),
        ("/server1/status%3Fx", 401),
        ("/server1/status%23/docs", 401),
        ("/server1/status%00", 401),
        ("/server1/status%0A", 401),
        ("/server1/status%20", 401),
        ("/server1/docs%0A", 401),
        ("/server1/docs//", 401),
        ("/server1/docs/%2F", 401),
        ("/server1/docs;x", 401),
        ("/server1/health%0A", 401),
        ("/server1/%0A", 401),
        ("/server1/%73tatus", 401),
        ("/server1/%2573tatus", 401),
        ("/server1%2Fstatus", 401),
        ("/server1/%2Fstatus", 401),
        ("/server1/\\..\\status", 401),
        ("/server1/gpu/stream", 401),
        ("/server1/gpu%2Fstream", 401),
        ("/server1/gpu/stream%0A", 401),
        ("http://agent/server1/status", 401),
        ("http://agent/server1/status#/docs", 400),
        ("/server1/status?/docs", 401),
        ("/server1/status?api_key=" + TOKEN, 401),
    ],
)
def test_path_tricks_do_not_bypass_authentication(both: str, target: str, status: int) -> None:
    """The status is 401 under the prefix, and 404 outside of it and in the folder of the documents."""
    reply = request(both, target.encode())
    assert status == reply.status
    error_of(reply.status, reply.body)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/gpu/stream", 401),
        ("/gpu%2Fstream", 401),
        ("/gpu/%73tream", 401),
        ("http://agent/gpu/stream", 401),
        ("/gpu/stream?x=/docs", 401),
        ("/gpu/stream%0A", 404),
        ("/gpu/stream%0A%0A", 404),
        ("/gpu/stream%0D%0A", 404),
        ("/gpu/stream%00", 404),
        ("/gpu/stream/", 401),
        ("/gpu/stream%2F", 401),
        ("/gpu/stream//", 404),
        ("/gpu/stream;x", 404),
        ("/gpu//stream", 404),
        ("//gpu/stream", 404),
        ("/gpu/./stream", 404),
        ("/docs/../gpu/stream", 404),
        ("/gpu/STREAM", 404),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"], ids=bytes.decode)
def test_path_tricks_do_not_open_the_stream(only_keys: str, target: str, status: int, method: bytes) -> None:
    """The other paths are open, and none of them leads to the stream."""
    assert status == request(only_keys, target.encode(), method=method).status


@pytest.mark.parametrize(
    "header_lines",
    [
        pytest.param([b"X-Original-URL: /docs"], id="X-Original-URL"),
        pytest.param([b"X-Rewrite-URL: /docs"], id="X-Rewrite-URL"),
        pytest.param([b"X-Forwarded-Prefix: /docs"], id="X-Forwarded-Prefix"),
        pytest.param([b"X-HTTP-Method-Override: OPTIONS"], id="X-HTTP-Method-Override"),
        pytest.param([b"X-Forwarded-For: 127.0.0.1"], id="X-Forwarded-For"),
        pytest.param([b"Authorization_: " + TOKEN.encode()], id="a header of almost that name"),
        pytest.param([b"Authorization: wrong", b"Authorization: " + TOKEN.encode()], id="twice"),
        pytest.param([b"Authorization:", b"Authorization: " + TOKEN.encode()], id="twice, first empty"),
    ],
)
def test_header_tricks_do_not_bypass_authentication(both: str, header_lines: list[bytes]) -> None:
    """Only Authorization and X-API-Key are used."""
    assert request(both, b"/server1/status", *header_lines).status == 401


@pytest.mark.parametrize("blanks", [b"", b" ", b"   ", b"\t"], ids=["none", "one", "three", "tab"])
def test_blanks_around_the_token_do_not_matter(both: str, blanks: bytes) -> None:
    """HTTP removes them."""
    line = b"Authorization:" + blanks + TOKEN.encode() + blanks
    assert request(both, b"/server1/count", line).status == 200
