"""The checks of our protocol, for `uvicorn main:app` and gunicorn, which have their own protocol."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from agent.http.errors import InvalidRequest, response_to
from agent.http.request_head import InvalidHead, checked_target

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class OtherServer:
    """Refuses a head that is not valid HTTP, and a chunked body.

    A client that is not an address is unknown. uvicorn adds the trailer fields of a chunked body to the
    headers, where they cannot be distinguished. It accepts any text in X-Forwarded-For as an address.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope.get("client") and not _is_address(scope["client"][0]):
            scope["client"] = None  # in the server's own scope, for its access log
        try:
            _check_head(scope)
        except InvalidHead as fault:
            await response_to(InvalidRequest(str(fault)))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _check_head(scope: Scope) -> None:
    """Raises InvalidHead."""
    if not scope["http_version"].startswith("1."):  # HTTP/2 has no Host, no chunks, and its own rules
        return
    checked_target(scope["http_version"], b"GET", b"/", scope["headers"])
    if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
        raise InvalidHead("This server does not accept a chunked body; accepted: Content-Length")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return text.isascii() and text.isprintable()  # a zone may be any text
