"""GET / and what it is made of"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from agent.http.endpoint import Access, Endpoint
from agent.http.parameters import AgentSettings  # noqa: TC001  (FastAPI reads it)
from agent.http.web import ASSETS, BUILD, SHELL, KeptFiles

router = APIRouter()

FOLDER = "/web"
HEADERS = {
    # Nothing inline but the icon, nothing from another origin: a process named <script> is only ever text.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# The shell is kept, but asked for again: the agent may be another build now. A file of a build never changes.
SHELL_HEADERS = {**HEADERS, "Cache-Control": "no-cache"}
FILE_HEADERS = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
# Relative, so that any prefix works; what a file imports lies beside it, in the same build.
_SHELL = SHELL.replace("<html", f'<html data-build="{BUILD}"', 1).replace('"web/', f'"web/{BUILD}/')


@router.get("/", include_in_schema=False)
async def page(settings: AgentSettings) -> HTMLResponse:
    """The shell of the page; it holds no data of the host, so that it can ask for the token.

    Its build stands in it, and whether there is a FLEET, so that the page of a single host need not ask.
    """
    html = _SHELL.replace("<html", "<html data-fleet", 1) if settings.fleet else _SHELL
    return HTMLResponse(html, headers=SHELL_HEADERS)


ENDPOINT = Endpoint(
    router, access=Access.OPEN, folder=FOLDER, files=KeptFiles(BUILD, ASSETS, headers=FILE_HEADERS)
)
