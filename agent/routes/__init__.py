"""Endpoints, one file each: parameters in, view out; each declares as ENDPOINT who may read it.

A route whose answer depends only on one Snapshot and its parameters takes `CurrentSnapshot`: its answer is
then made once for all clients.
"""

from importlib import import_module

from agent.http.endpoint import Endpoint

# In the order of the documents.
_FILES = (
    "count",
    "status",
    "gpu",
    "processes",
    "users",
    "usage",
    "free",
    "summary",
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
