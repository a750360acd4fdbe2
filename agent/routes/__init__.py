"""One file per endpoint: parameters in, view out; each declares as ENDPOINT what it needs."""

from importlib import import_module

from agent.http.endpoint import Endpoint

# In the order of the documents.
_FILES = (
    "count",
    "status",
    "gpu",
    "processes",
    "users",
    "free",
    "history",
    "fleet",
    "metrics",
    "stream",
    "health",
    "ready",
    "page",
    "docs",
)

ENDPOINTS: tuple[Endpoint, ...] = tuple(import_module(f"{__name__}.{file}").ENDPOINT for file in _FILES)
