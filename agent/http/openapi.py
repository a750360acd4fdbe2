"""The OpenAPI document: how the agent describes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import to_thread
from fastapi import Security
from fastapi.openapi.utils import get_openapi
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPBearer

from agent.http.errors import Failure
from agent.http.route_path import get_route_path

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

DESCRIPTION = """Live metrics of this host's NVIDIA GPUs.

Answers come in an envelope `{"code":0,"data":…}`, apart from `/gpu`, which is the object itself, and
`/gpu/stream`, which pushes it. Every failing answer is `{"code":…,"data":null,"error":"one sentence"}`.
"""

# Where FastAPI itself answers.
DOCS_PATH = "/docs"
DOCUMENT_PATH = "/openapi.json"
DOCS_FOLDER = "/static-offline-docs"

# Authentication itself happens in front of the routes (authentication.py); these only say so in the document.
TOKEN = [
    Security(
        APIKeyHeader(
            name="Authorization",
            scheme_name="TOKEN",
            description="TOKEN as it is, where set; for /metrics METRICS_TOKEN too",
            auto_error=False,
        )
    ),
    Security(HTTPBearer(scheme_name="Bearer TOKEN", description="the same as bearer", auto_error=False)),
]
# For the route itself: with the key in the query it takes a parameter.
API_KEY = [
    Security(
        APIKeyHeader(
            name="X-API-Key",
            scheme_name="API key",
            description="one of API_KEYS, where set",
            auto_error=False,
        )
    ),
    Security(
        APIKeyQuery(
            name="api_key",
            scheme_name="API key in the query",
            description="for EventSource, which cannot send headers",
            auto_error=False,
        )
    ),
]

_REASONS = {
    400: "A parameter is wrong (code 1)",
    401: "The credential is missing or wrong (code 401)",
    500: "No NVIDIA driver, or the agent failed (code 2)",
    503: "Not ready, or too many streams; try again (code 2)",
}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The failing answers of a route, for its `responses`."""
    return {status: {"model": Failure, "description": _REASONS[status]} for status in statuses}


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once: validation answers 400 in our envelope, so FastAPI's own 422 is left out."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for path in document["paths"].values():
            for operation in path.values():
                _correct(operation["responses"])
        for schema in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(schema, None)
        app.openapi_schema = document
    return app.openapi_schema


class DescribedInThread:
    """The same app. Its document takes a fifth of a second: it is made in a thread when it is asked for."""

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


def _correct(responses: dict[str, Any]) -> None:
    responses.pop("422", None)
    for status, response in responses.items():
        content = response.get("content", {})
        if status.startswith(("4", "5")) and content:  # an envelope, whatever the route's own media type is
            response["content"] = {"application/json": next(iter(content.values()))}
        elif "text/event-stream" in content:  # FastAPI says string; each event holds one of the objects
            content["text/event-stream"]["schema"].pop("type", None)
