"""The OpenAPI documents are complete and correct, and work offline and behind proxies."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import pytest
from fastapi import FastAPI

from agent.http.document import DescribedInThread
from agent.simulation import MODELS, Simulation
from tests.http.schema import faults, operations, resolve, response_schema
from tests.http.wire import A_TOKEN
from tests.support import loopback
from tests.support.agents import agent_client, agent_server, hung_agent_client
from tests.support.endpoints import OF_ONE_SNAPSHOT, OF_THE_DRIVER, OPEN, STREAM, STRICT, TAKING_IDX

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from starlette.types import Receive, Scope, Send

    from tests.http.schema import Schema

LAYOUTS = [
    pytest.param({}, id="no prefix"),
    pytest.param({"URL_PREFIX": "server1"}, id="prefix"),
    pytest.param({"ROOT_PATH": "/proxied"}, id="ROOT_PATH"),
    pytest.param({"URL_PREFIX": "a/b", "ROOT_PATH": "/proxied/c"}, id="prefix and ROOT_PATH"),
]


@pytest.fixture(scope="module")
def document() -> Schema:
    """The document as a client gets it."""
    with Simulation(gpus=1), agent_server() as url:
        document: Schema = loopback.get(f"{url}/openapi.json").json()
    return document


def described_open(document: Schema) -> set[str]:
    """The described paths that require no credential; page and documents are not described."""
    return {path for path in document["paths"] if path in OPEN}


# The document itself


def test_every_path_of_the_contract_is_there(document: Schema) -> None:
    """These are the names that clients use."""
    assert {"/health", "/ready"} <= described_open(document)
    assert {"/count", "/status", "/gpu", "/processes", "/users", STREAM} <= document["paths"].keys()
    assert {*OF_ONE_SNAPSHOT, *OF_THE_DRIVER} <= document["paths"].keys()


def test_every_answer_with_a_body_has_a_schema(document: Schema) -> None:
    """A route that declares no model of its answer would have an empty one."""
    bodies = {
        (path, status, media): content["schema"]
        for path, operation in operations(document)
        for status, response in operation["responses"].items()
        for media, content in response.get("content", {}).items()
    }
    assert [body for body, schema in bodies.items() if not schema] == []
    assert {path for path, status, _ in bodies if status == "200"} == document["paths"].keys()


def test_everything_has_a_description(document: Schema) -> None:
    """Operations, parameters, responses, security schemes, schemas and each of their fields."""
    silent = [
        f"{path} {what}"
        for path, operation in operations(document)
        for what, described in [
            ("itself", operation),
            *((f"parameter {parameter['name']}", parameter) for parameter in operation.get("parameters", [])),
            *operation["responses"].items(),
        ]
        if not described.get("description")
    ]
    for name, schema in document["components"]["schemas"].items():
        if not schema.get("description") and not name.endswith("Answer"):  # each of these has only two fields
            silent.append(name)
        for field, described in schema.get("properties", {}).items():
            if not (described.get("description") or resolve(described, document).get("description")):
                silent.append(f"{name}.{field}")
    silent += [
        name
        for name, scheme in document["components"]["securitySchemes"].items()
        if not scheme["description"]
    ]
    assert not silent


def test_the_description_of_every_list_says_when_it_is_or_contains_null(document: Schema) -> None:
    """An empty list would mean that there is no entry."""
    described_fields = {
        f"{name}.{field}": described["description"]
        for name, schema in document["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if '"array"' in json.dumps(described) and '"null"' in json.dumps(described)
    }
    assert {"Gpu.top_processes", "GpuDetail.fans", "DeviceHistory.power_watts"} <= described_fields.keys()
    assert [name for name, description in described_fields.items() if "null: " not in description] == []


def test_validation_is_400_and_never_422(document: Schema) -> None:
    """Every parameter can be wrong, so every path with a parameter documents 400."""
    assert "422" not in json.dumps(document)
    assert "ValidationError" not in json.dumps(document)
    for path, operation in operations(document):
        if operation.get("parameters"):
            assert "400" in operation["responses"], path


def test_every_documented_failure_is_an_envelope(document: Schema) -> None:
    """It is JSON, for the path of the stream too."""
    for path, operation in operations(document):
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and (path, status) != ("/free", "409"):  # that has no body
                reference = {"$ref": "#/components/schemas/Failure"}
                assert {"application/json": {"schema": reference}} == response["content"], (path, status)


def test_the_data_paths_name_their_credentials(document: Schema) -> None:
    """The TOKEN, plain or as bearer, a key only for the stream, and nothing for open paths."""
    schemes = document["components"]["securitySchemes"]
    described_fields = {
        path: {
            (scheme["type"], scheme.get("in", scheme.get("scheme")), scheme.get("name"))
            for alternative in operation.get("security", [])
            for scheme in [schemes[name] for name in alternative]
        }
        for path, operation in operations(document)
    }
    is_open = described_open(document)
    token = {("apiKey", "header", "Authorization"), ("http", "bearer", None)}
    keys = {("apiKey", "header", "X-API-Key"), ("apiKey", "query", "api_key")}
    assert {path: token for path in described_fields if path not in {*is_open, STREAM}} == {
        path: described_fields[path] for path in described_fields if path not in {*is_open, STREAM}
    }
    assert token | keys == described_fields[STREAM]
    assert {path: set() for path in is_open} == {path: described_fields[path] for path in is_open}
    for path, operation in operations(document):  # one credential is enough
        assert all(len(alternative) == 1 for alternative in operation.get("security", [])), path


def test_every_path_that_requires_a_credential_documents_401(document: Schema) -> None:
    """No other path documents it."""
    for path, operation in operations(document):
        assert (path in OPEN) == ("401" not in operation["responses"]), path


def test_parameters_show_their_bounds(document: Schema) -> None:
    """A form that is made from the document is then correct."""
    parameters = {
        (path, parameter["name"]): parameter["schema"]
        for path, operation in operations(document)
        for parameter in operation.get("parameters", [])
    }
    interval = parameters[STREAM, "interval"]
    assert (interval["minimum"], interval["maximum"]) == (0.5, 60)
    assert parameters["/status", "process"]["enum"] == ["C", "G", "NA", ""]
    switch = {"type": "boolean", "default": False}
    for path, name in [("/status", "mig"), ("/gpu", "detail"), ("/processes", "idle")]:
        assert switch == parameters[path, name]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("scope", "is_known", "calls"),
    [
        ({"type": "http", "path": "/openapi.json"}, False, ["document", "answer"]),
        ({"type": "http", "path": "/openapi.json"}, True, ["answer"]),
        ({"type": "http", "path": "/gpu"}, False, ["answer"]),
        ({"type": "lifespan"}, False, ["answer"]),
    ],
)
async def test_the_document_is_made_in_a_thread_at_its_first_request(
    scope: dict[str, Any], is_known: bool, calls: list[str]
) -> None:
    called: list[str] = []
    loop_thread = threading.get_ident()

    class App(FastAPI):
        def openapi(self) -> dict[str, Any]:
            assert threading.get_ident() != loop_thread
            called.append("document")
            return {}

        async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
            called.append("answer")

    async def nothing(*_: object) -> Any:
        raise AssertionError

    app = App()
    app.openapi_schema = {} if is_known else None
    await DescribedInThread(app)(scope, nothing, nothing)

    assert called == calls


# The page


@pytest.mark.anyio
@pytest.mark.parametrize("environ", LAYOUTS)
@pytest.mark.usefixtures("simulation")
async def test_the_documentation_page_works_offline_and_needs_no_credential(environ: dict[str, str]) -> None:
    """Everything that it loads comes from the agent, through the same proxy as the page."""
    root = environ.get("ROOT_PATH", "")
    outside = f"http://agent{root}/{environ.get('URL_PREFIX', '')}".rstrip("/")  # as the browser sees it
    async with agent_client(TOKEN=A_TOKEN, API_KEY="key", **environ) as client:

        async def fetch(url: str) -> httpx.Response:
            """Fetch through a proxy that strips ROOT_PATH."""
            path = urlsplit(url).path
            assert path.startswith(f"{root}/")
            return await client.get(path.removeprefix(root))

        page = await fetch(f"{outside}/docs")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        loaded = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
        loaded += re.findall(r"url: ['\"]([^'\"]+)", page.text)
        assert len(loaded) == 4, "script, style, icon and document"
        for reference in loaded:
            assert not urlsplit(reference).netloc, f"{reference} is from another origin"
            response = await fetch(urljoin(f"{outside}/docs", reference))
            assert response.status_code == 200, reference
            if reference.endswith(".css"):
                assert "@import" not in response.text
                assert all(
                    url.startswith("data:") for url in re.findall(r"url\([\"']?([^)]+)", response.text)
                )
        document = (await fetch(f"{outside}/openapi.json")).json()
        # "Try it out" sends requests to these URLs.
        servers = [server["url"] for server in document.get("servers", [{"url": ""}])]
        assert [urlsplit(outside).path] == servers


@pytest.mark.anyio
@pytest.mark.usefixtures("simulation")
async def test_there_is_no_redoc() -> None:
    """One documentation page is enough."""
    async with agent_client() as client:
        assert (await client.get("/redoc")).status_code == 404


# Real answers against the document


def assert_conforms(value: Any, document: Schema, path: str, status: int = 200) -> None:
    assert list(faults(value, response_schema(document, path, status), document)) == []


@pytest.mark.parametrize(
    ("value", "schema", "number_of_faults"),
    [
        (True, {"type": "integer"}, 1),
        (1.5, {"type": "integer"}, 1),
        (None, {"type": "string"}, 1),
        ("x", {"enum": ["C", "G"]}, 1),
        (1, {"const": 0}, 1),
        (None, {"anyOf": [{"type": "string"}, {"type": "integer"}]}, 1),
        (1, {"oneOf": [{"type": "number"}, {"type": "integer"}]}, 1),
        (None, {"oneOf": [{"type": "string"}, {"type": "integer"}]}, 1),
        (1, {"oneOf": [{"type": "string"}, {"type": "integer"}]}, 0),
        ({}, {"type": "object", "required": ["a"], "properties": {"a": {}}}, 1),
        ({"b": 1}, {"type": "object", "properties": {"a": {}}}, 1),
        ([1, "x", None], {"type": "array", "items": {"type": "integer"}}, 2),
        (
            {"x": 1},
            {"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": {"enum": []}},
            1,
        ),
        ({"a": 1}, {"type": "object", "required": ["a"], "properties": {"a": {"type": "number"}}}, 0),
    ],
)
def test_the_schema_check_finds_faults(value: Any, schema: Schema, number_of_faults: int) -> None:
    """Otherwise the tests below would prove nothing."""
    assert number_of_faults == len(list(faults(value, schema, {})))


def questions(document: Schema) -> list[str]:
    """Every path that answers JSON without a setting, and some parameters."""
    return [
        *(
            path
            for path, operation in operations(document)
            if "application/json" in answers_of(path, document) and "404" not in operation["responses"]
        ),
        "/status?mig=1",
        "/status?process=C",
        "/status?idx=0",
        "/gpu?idx=1,2",
        "/processes?idx=0&user=root",
    ]


def answers_of(path: str, document: Schema) -> Schema:
    """The media types of its successful answer."""
    content: Schema = document["paths"][path]["get"]["responses"]["200"]["content"]
    return content


@pytest.mark.anyio
@pytest.mark.parametrize("model", MODELS)
async def test_answers_of_every_model_are_as_documented(model: str, document: Schema) -> None:
    """This includes models that lack half of the functions."""
    with Simulation(gpus=3, models=[model]):
        async with agent_client() as client:
            for question in questions(document):
                response = await client.get(question)
                assert response.status_code == 200
                assert_conforms(response.json(), document, question.partition("?")[0])


@pytest.fixture
def troubled() -> Iterator[None]:
    """A GPU in MIG mode, a lost one, one that hangs, one that reports few values, and four healthy ones."""
    with Simulation(8) as simulation:
        simulation.gpus[0].enable_mig()
        simulation.gpus[1].lose()
        simulation.gpus[2].hang()
        simulation.gpus[3].unsupport(
            "nvmlDeviceGetMemoryInfo",
            "nvmlDeviceGetMemoryInfo_v2",
            "nvmlDeviceGetUtilizationRates",
            "nvmlDeviceGetPowerUsage",
            "nvmlDeviceGetTemperature",
            "nvmlDeviceGetName",
            "nvmlDeviceGetUUID",
        )
        yield


@pytest.mark.anyio
@pytest.mark.usefixtures("troubled")
async def test_answers_of_a_troubled_host_are_as_documented(document: Schema) -> None:
    """This holds from the first contact until the hanging GPU is stuck."""
    async with agent_client(SAMPLE_TIMEOUT="0.5", SAMPLE_INTERVAL="0.5") as client:
        stuck = False
        async with asyncio.timeout(30):
            while not stuck:
                ready = (await client.get("/ready")).json()
                stuck = ready["gpus"] == {"ok": 6, "lost": 1, "stuck": 1}
                for question in questions(document):
                    response = await client.get(question)
                    assert response.status_code == 200
                    assert_conforms(response.json(), document, question.partition("?")[0])
                await asyncio.sleep(0.05)


@pytest.mark.anyio
@pytest.mark.usefixtures("troubled")
async def test_a_gpu_in_mig_mode_is_listed_by_its_instances_only_on_request(document: Schema) -> None:
    """Without `mig=1` it is listed as one GPU."""
    async with agent_client(SAMPLE_TIMEOUT="0.5") as client:
        plain = (await client.get("/status?idx=0")).json()
        leaves = (await client.get("/status?idx=0&mig=1")).json()
    assert [device.get("mig_index") for device in plain["data"]["devices"]] == [None]
    indices = [device["mig_index"] for device in leaves["data"]["devices"]]
    assert len(indices) > 1
    assert [*range(len(indices))] == indices
    assert {0} == {device["idx"] for device in leaves["data"]["devices"]}
    assert_conforms(leaves, document, "/status")


def test_stream_events_are_as_documented(document: Schema) -> None:
    """This holds with and without the driver."""
    with Simulation(gpus=2) as simulation, agent_server() as url:
        assert_conforms(first_event(url), document, STREAM)
        simulation.remove_driver()
        while (event := first_event(url))["status"] != "error":
            assert_conforms(event, document, STREAM)
        assert list(event) == ["status", "error", "timestamp"]
        assert_conforms(event, document, STREAM)


def first_event(url: str) -> dict[str, Any]:
    with loopback.stream("GET", f"{url}{STREAM}?interval=0.5") as response:
        event: dict[str, Any] = json.loads(next(response.iter_lines()).removeprefix("data: "))
        return event


WRONG = {"/ready": "require=x"}


@pytest.mark.anyio
@pytest.mark.parametrize("path", [*OF_THE_DRIVER, STREAM, "/ready"])
async def test_failures_are_as_documented(path: str, simulation: Simulation, document: Schema) -> None:
    """These are 400, 401, 500 and 503, where they are documented."""
    # None: the path has no parameters and ignores all.
    wrong = "idx=a" if path in TAKING_IDX else "x=1" if path in STRICT else WRONG.get(path)
    found = {}
    token = {"Authorization": A_TOKEN}
    async with agent_client(TOKEN=A_TOKEN) as client:
        if wrong:
            found[400] = await client.get(f"{path}?{wrong}", headers=token)
        if path not in OPEN:
            found[401] = await client.get(path)
    simulation.remove_driver()
    async with agent_client() as client:
        if path in OF_THE_DRIVER:
            found[500] = await client.get(path)
    simulation.restore_driver()
    simulation.hang("nvmlInitWithFlags")
    async with hung_agent_client() as client:
        if path != STREAM:
            found[503] = await client.get(path)
        simulation.release()  # the end of the agent would wait for it
    responses = document["paths"][path]["get"]["responses"]
    documented = {int(status) for status in responses} - {200, 409}  # 409: too few GPUs
    assert documented - ({503} if path == STREAM else set()) == found.keys()
    assert found
    for status, response in found.items():
        assert status == response.status_code
        assert_conforms(response.json(), document, path, status)
