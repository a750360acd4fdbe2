"""GET / and what it is made of"""

from __future__ import annotations

from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from agent.http.endpoint import Access, Endpoint
from agent.http.parameters import AgentSettings  # noqa: TC001  (FastAPI reads it)

if TYPE_CHECKING:
    import os

    from starlette.types import Scope

router = APIRouter()

WEB = Path(__file__).parents[1] / "web"
SHELL = (WEB / "index.html").read_text("utf-8")
HEADERS = {
    # Nothing inline but the icon, nothing from another origin: a process named <script> is only ever text.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # kept, but asked for again: the agent may be another version now
}


@router.get("/", include_in_schema=False)
async def page(settings: AgentSettings) -> HTMLResponse:
    """The shell of the page; it holds no data of the host, so that it can ask for the token.

    Whether there is a FLEET stands in it, so that the page of a single host need not ask.
    """
    html = SHELL.replace("<html", "<html data-fleet", 1) if settings.fleet else SHELL
    return HTMLResponse(html, headers=HEADERS)


class WebFiles(StaticFiles):
    """Scripts and styles of the page, with the same headers; each is read once, and its answer kept."""

    def __init__(self) -> None:
        super().__init__(directory=WEB)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,  # noqa: ARG002  (the inherited one's parameters)
        scope: Scope,  # noqa: ARG002
        status_code: int = 200,
    ) -> Response:
        return Response(Path(full_path).read_bytes(), status_code, HEADERS, guess_type(full_path)[0])


ENDPOINT = Endpoint(router, access=Access.OPEN, folder="/web", files=WebFiles())
