"""What every request passes before it reaches its route: pure ASGI, nothing is buffered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette._utils import get_route_path
from starlette.middleware.cors import CORSMiddleware

from agent.errors import InvalidRequest, response_to
from agent.response_cache import HEAD_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RootPath:
    """Puts back the path that a reverse proxy has stripped, as ASGI wants it: `root_path` leads `path`."""

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope.get("root_path"):  # a server option may have done it already
            scope = {**scope, "root_path": self._root_path, "path": self._root_path + scope["path"]}
        await self._app(scope, receive, send)


class AllowedHosts:
    """Refuses a Host header that is not ours, so that no foreign name can be pointed at the agent."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], exempt: frozenset[str]) -> None:
        self._app = app
        self._names = frozenset(host for host in hosts if not host.startswith("*."))
        self._suffixes = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or get_route_path(scope) in self._exempt or self._allows(scope):
            await self._app(scope, receive, send)
        else:
            refusal = InvalidRequest("The Host header names no host of ALLOWED_HOSTS")
            await response_to(refusal)(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        values = [value for name, value in scope["headers"] if name == b"host"]
        if len(values) != 1:
            return False
        host = values[0].decode("latin-1").lower()
        # The port goes; the colons of an IPv6 address stay inside its brackets.
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        return name in self._names or name.endswith(self._suffixes)


class Cors(CORSMiddleware):
    """Starlette's, with our envelope for a preflight that is refused."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        refusal = response_to(InvalidRequest(bytes(answer.body).decode()))
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        refusal.headers.update(headers)
        return refusal


class Mounted:
    """Hands what lies beneath `prefix` to `mounted`, as Starlette's Mount does.

    Measured, router and Mount took half of the time of an answer that was made before.
    """

    def __init__(self, app: ASGIApp, *, prefix: str, mounted: ASGIApp) -> None:
        self._app = app
        self._prefix = prefix
        self._folder = prefix + "/"
        self._mounted = mounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and get_route_path(scope).startswith(self._folder):
            scope["root_path"] = scope.get("root_path", "") + self._prefix
            await self._mounted(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class WholeFiles:
    """Forgets a Range header: the files are small, and a bad range would be refused without our envelope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await self._app({**scope, "headers": headers}, receive, send)


class HeadAsGet:
    """Answers HEAD wherever GET is answered: the same header, no body. A stream has no end to wait for."""

    def __init__(self, app: ASGIApp, *, except_path: str) -> None:
        self._app = app
        self._except_path = except_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or get_route_path(scope) == self._except_path:
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET", HEAD_KEY: True}, receive, send_head)
