"""GET / and the files of the page"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from agent.http.endpoint import Access, Endpoint
from agent.http.parameters import AgentSettings  # noqa: TC001  (FastAPI reads it)
from agent.http.web import ASSETS, BUILD, SHELL, KeptFiles

router = APIRouter()

FOLDER = "/web"
HEADERS = {
    # Nothing inline except the icon, nothing from another origin: a process named <script> is shown as text.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# Browsers cache the shell but revalidate it, because the agent may be another build. A build's files never
# change.
SHELL_HEADERS = {**HEADERS, "Cache-Control": "no-cache"}
FILE_HEADERS = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
# Relative, so that any prefix works; a file imports only files of the same build.
_SHELL = SHELL.replace("<html", f'<html data-build="{BUILD}"').replace('"web/', f'"web/{BUILD}/')


@router.get("/", include_in_schema=False)
async def page(settings: AgentSettings) -> HTMLResponse:
    """The shell of the page.

    It needs no token, because it has no data of the host; it asks the user for the token.

    It contains the build, and whether there is a FLEET, so that the page of a single host sends no request
    for it.
    """
    html = _SHELL.replace("<html", "<html data-fleet") if settings.fleet else _SHELL
    return HTMLResponse(html, headers=SHELL_HEADERS)


ENDPOINT = Endpoint(
    router, access=Access.OPEN, folder=FOLDER, files=KeptFiles(BUILD, ASSETS, headers=FILE_HEADERS)
)
