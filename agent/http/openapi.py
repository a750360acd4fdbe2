"""What endpoints declare for the OpenAPI document; document.py writes it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fastapi import Security
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPBearer

if TYPE_CHECKING:
    from fastapi.routing import APIRoute

DESCRIPTION = """Live metrics of this host's NVIDIA GPUs.

Answers come in an envelope `{"code":0,"data":…}`, apart from `/gpu`, which is the object itself, and
`/gpu/stream`, which pushes it. Every failing answer is `{"code":…,"data":null,"error":"one sentence"}`.
"""


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


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The failing answers of a route, for its `responses`."""
    return {status: {"description": _REASONS[status]} for status in statuses}


def operation_id(route: APIRoute) -> str:
    """The name of the operation in generated clients, for example `get_gpu_stream`."""
    return f"get{route.path.replace('/', '_')}"
