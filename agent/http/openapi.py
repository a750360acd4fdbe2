"""The OpenAPI document: how the agent describes itself."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from fastapi import Security
from fastapi.openapi.utils import get_openapi
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPBearer
from pydantic import BaseModel, Field

from agent.http.route_path import get_route_path

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.routing import APIRoute
    from starlette.types import Receive, Scope, Send

DESCRIPTION = """Live metrics of this host's NVIDIA GPUs.

Answers come in an envelope `{"code":0,"data":…}`, apart from `/gpu`, which is the object itself, and
`/gpu/stream`, which pushes it. Every failing answer is `{"code":…,"data":null,"error":"one sentence"}`.
"""

LICENSE = {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html"}
CONTACT = {"name": "nvidia-smi-web-agent", "url": "https://github.com/nvidia-smi-web/agent"}


class Tag(StrEnum):
    """The subject of an operation; client generators make a module for each tag."""

    GPUS = "gpus"
    PROCESSES = "processes"
    MONITORING = "monitoring"


TAGS = {
    Tag.GPUS: "Values, health and availability of the GPUs.",
    Tag.PROCESSES: "Who uses the GPUs.",
    Tag.MONITORING: "For programs that monitor hosts and services.",
}

# Paths that FastAPI itself answers.
DOCS_PATH = "/docs"
DOCUMENT_PATH = "/openapi.json"
DOCS_FOLDER = "/static-offline-docs"

# Authentication happens before the routes (authentication.py); these only describe it in the document.
TOKEN = [
    Security(
        APIKeyHeader(
            name="Authorization",
            scheme_name="Token",
            description="TOKEN itself, if set; for /metrics also METRICS_TOKEN",
            auto_error=False,
        )
    ),
    Security(HTTPBearer(scheme_name="BearerToken", description="the same as bearer", auto_error=False)),
]
# For the route itself: with the key in the query it takes a parameter.
API_KEY = [
    Security(
        APIKeyHeader(
            name="X-API-Key",
            scheme_name="ApiKey",
            description="one of API_KEYS, if set",
            auto_error=False,
        )
    ),
    Security(
        APIKeyQuery(
            name="api_key",
            scheme_name="ApiKeyQuery",
            description="for EventSource, which cannot send headers",
            auto_error=False,
        )
    ),
]

_REASONS = {
    400: "A parameter is wrong (code 1)",
    401: "The credential is missing or wrong (code 401)",
    404: "The agent keeps no GPU hours: STATE_DIR is not set (code 1)",
    500: "No NVIDIA driver, or the agent failed (code 2)",
    503: "Not ready, or too many streams; try again (code 2)",
}


class Failure(BaseModel):
    """The envelope of every failing answer; it is written by `errors.envelope`."""

    code: int = Field(
        description="1: the request is wrong, 2: the agent or the host failed, 401: unauthorized"
    )
    data: dict[str, Any] | None = Field(description="always null in a failing answer")
    error: str = Field(description="one sentence that says what was wrong")


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The failing answers of a route, for its `responses`."""
    return {status: {"model": Failure, "description": _REASONS[status]} for status in statuses}


def operation_id(route: APIRoute) -> str:
    """The name of the operation in generated clients, for example `get_gpu_stream`."""
    return f"get{route.path.replace('/', '_')}"


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once.

    Validation errors are 400 in our envelope, so FastAPI's own 422 is left out.
    """
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            license_info=LICENSE,
            contact=CONTACT,
            tags=[{"name": tag.value, "description": description} for tag, description in TAGS.items()],
            routes=app.routes,
        )
        document = _with_plain_names(document)
        schemas = document["components"]["schemas"]
        for schema in ("HTTPValidationError", "ValidationError"):
            schemas.pop(schema, None)
        for path in document["paths"].values():
            for operation in path.values():
                _correct_parameters(operation.get("parameters", []))
                _correct_responses(operation["responses"])
                operation.setdefault("security", [])  # says explicitly that no credential is needed
        for schema in schemas.values():
            _simplify(schema)
        app.openapi_schema = document
    return app.openapi_schema


def _with_plain_names(document: dict[str, Any]) -> dict[str, Any]:
    """Names such as `StatusAnswer` instead of pydantic's `Success_Status_`, for generated code."""

    def plain(name: re.Match[str]) -> str:
        return f"{name[1][0].upper()}{name[1][1:]}Answer"

    plainly_named: dict[str, Any] = json.loads(re.sub(r"\bSuccess_(\w+?)_\b", plain, json.dumps(document)))
    return plainly_named


def _correct_parameters(parameters: list[dict[str, Any]]) -> None:
    """A parameter is never null: it is left out instead."""
    for parameter in parameters:
        schema = parameter["schema"]
        _drop_null(schema)
        schema.pop("description", None)  # stands beside it
        _simplify(schema)


def _correct_responses(responses: dict[str, Any]) -> None:
    responses.pop("422", None)
    for status, response in responses.items():
        content = response.get("content", {})
        if status.startswith(("4", "5")) and content:  # an envelope, whatever the route's own media type is
            response["content"] = {"application/json": next(iter(content.values()))}
        for media in response.get("content", {}).values():
            if "$ref" in media["schema"]:  # FastAPI adds that an event is a string
                media["schema"] = {"$ref": media["schema"]["$ref"]}


def _simplify(schema: dict[str, Any]) -> None:
    """Rewrite the schema so that every client generator understands it.

    Titles of fields are removed, because they would name classes like components. A constant becomes an enum
    with one value. Exclusive options become `oneOf`. Integers get a format, because many generators use 32
    bits by default, too few for bytes or milliseconds. An optional field is left out if it has no value, so
    null is dropped from its type.
    """
    schema.pop("title", None)
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if schema.get("type") in _FORMATS and "enum" not in schema:
        schema["format"] = _FORMATS[schema["type"]]
    if _NULL not in schema.get("anyOf", [_NULL]):
        schema["oneOf"] = schema.pop("anyOf")
    fields = schema.get("properties", {})
    for name in fields.keys() - set(schema.get("required", ())):
        if "default" not in fields[name]:
            _drop_null(fields[name])
    for inner in (*fields.values(), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        _simplify(inner)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            _simplify(schema[name])


def _drop_null(schema: dict[str, Any]) -> None:
    """A schema with one option besides null becomes that option."""
    for option in schema.pop("anyOf", ()):
        if option != _NULL:
            schema.update(option)


_NULL = {"type": "null"}
_FORMATS = {"integer": "int64", "number": "double"}


class DescribedInThread:
    """The same app, whose document is made in a thread, because that takes a fifth of a second."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and self._app.openapi_schema is None
            and get_route_path(scope) == self._app.openapi_url
        ):
            await to_thread.run_sync(self._app.openapi)
        await self._app(scope, receive, send)
