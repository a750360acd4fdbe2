"""The OpenAPI document: how the agent describes itself."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field, TypeAdapter

from agent.http.endpoint import EVENT_STREAM
from agent.http.openapi import TAGS
from agent.http.route_path import get_route_path
from agent.readings.threads import NoThread, in_thread
from agent.views.envelope import Success

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

    from agent.http.endpoint import Endpoint

LICENSE = {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html"}
CONTACT = {"name": "nvidia-smi-web-agent", "url": "https://github.com/nvidia-smi-web/agent"}
_COMPONENT = "#/components/schemas/{model}"
_FAILURE = "failure"  # beside the paths, which begin with a slash
_MODE: Literal["serialization"] = "serialization"


class Failure(BaseModel):
    """The envelope of every failing answer; it is written by `errors.envelope`."""

    code: int = Field(
        description="1: the request is wrong, 2: the agent or the host failed, 401: unauthorized"
    )
    data: dict[str, Any] | None = Field(description="always null in a failing answer")
    error: str = Field(description="one sentence that says what was wrong")


def describe(app: FastAPI, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document, made once.

    FastAPI writes the operations and their parameters. It does not know the models of the answers: it would
    make a validator of each at the start, which takes time and memory, and no answer passes through them.
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
        _add_answers(document, endpoints)
        document = _with_plain_names(document)
        schemas = document["components"]["schemas"] = dict(sorted(document["components"]["schemas"].items()))
        for path in document["paths"].values():
            for operation in path.values():
                _correct_parameters(operation.get("parameters", []))
                operation.setdefault("security", [])  # says explicitly that no credential is needed
        for schema in schemas.values():
            _simplify(schema)
        app.openapi_schema = document
    return app.openapi_schema


def _add_answers(document: dict[str, Any], endpoints: Sequence[Endpoint]) -> None:
    """Add the schemas of all answers, right and failing."""
    types = {path: _answer(endpoint) for endpoint in endpoints for path in endpoint.paths}
    described = {path: type_ for path, type_ in types.items() if type_ and path in document["paths"]}
    schemas, components = TypeAdapter.json_schemas(
        [(name, _MODE, TypeAdapter(type_)) for name, type_ in {**described, _FAILURE: Failure}.items()],
        ref_template=_COMPONENT,
    )
    known = document["components"].get("schemas", {}) | components["$defs"]
    for schema in ("HTTPValidationError", "ValidationError"):
        known.pop(schema, None)
    document["components"]["schemas"] = known
    failure = {"application/json": {"schema": schemas[_FAILURE, _MODE]}}
    for endpoint in endpoints:
        for path in endpoint.paths & document["paths"].keys():
            responses = document["paths"][path]["get"]["responses"]
            responses.pop("422", None)
            if path in described:
                media = EVENT_STREAM if path in endpoint.streams else "application/json"
                responses["200"].setdefault("content", {})[media] = {"schema": schemas[path, _MODE]}
            for status in endpoint.responses:
                responses[str(status)]["content"] = failure


def _answer(endpoint: Endpoint) -> Any:
    """The type of its JSON."""
    return endpoint.answer if endpoint.data is None else Success.__class_getitem__(endpoint.data)


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
        if fields[name].get("default") is None:
            fields[name].pop("default", None)
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
            with suppress(NoThread):  # then it is made at once, in the event loop
                await in_thread(self._app.openapi)
        await self._app(scope, receive, send)
