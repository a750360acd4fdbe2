"""GET /docs and the document that it shows, GET /openapi.json: FastAPI's own."""

from __future__ import annotations

from agent.http import openapi
from agent.http.endpoint import Access, Endpoint

ENDPOINT = Endpoint(
    access=Access.OPEN, documents=(openapi.DOCS_PATH, openapi.DOCUMENT_PATH), folder=openapi.DOCS_FOLDER
)
