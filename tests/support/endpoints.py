"""The paths of the agent, for tests of rules for every endpoint. A new endpoint is included automatically.

Who may read what is a promise to the operator of an agent. So the open paths are listed here again, written
by hand, and tests/http/test_endpoint.py compares them with what the endpoints declare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.http.cache_key import cache_keys, constant_paths
from agent.http.endpoint import calls
from agent.http.parameters import known_parameters, refuse_unknown_parameters
from agent.routes import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.routing import APIRoute

STREAM = "/gpu/stream"
OPEN = frozenset({"/", "/health", "/ready", "/docs", "/openapi.json"})
OPEN_FOLDERS = ("/static-offline-docs/", "/web/")


def _routes(where: Callable[[APIRoute], object]) -> list[str]:
    return sorted(route.path for endpoint in ENDPOINTS for route in endpoint.routes if where(route))


PATHS = sorted(path for endpoint in ENDPOINTS for path in endpoint.paths)
WITH_END = [path for path in PATHS if path != STREAM]
FILES = frozenset(
    endpoint.folder + path for endpoint in ENDPOINTS if endpoint.files for path in endpoint.files.paths
)
CONSTANT = constant_paths(ENDPOINTS) | FILES
OF_ONE_SNAPSHOT = sorted(cache_keys(ENDPOINTS))
# Paths that require a credential report on GPUs and fail without a driver, except these and the stream.
WITHOUT_DRIVER = {"/fleet", "/metrics", "/usage"}
OF_THE_DRIVER = [path for path in WITH_END if path not in OPEN | WITHOUT_DRIVER]
TAKING_IDX = _routes(lambda route: "idx" in known_parameters(route.dependant))
STRICT = frozenset(_routes(lambda route: refuse_unknown_parameters in calls(route)))
