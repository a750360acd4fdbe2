"""What every request passes through before it reaches its route: pure ASGI, without buffering."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from agent.http.errors import NO_STORE, InvalidRequest, response_to
from agent.http.request_head import host_of
from agent.http.response_cache import HEAD_KEY
from agent.http.route_path import get_route_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from agent.http.endpoint import Endpoint

_DETOURS = frozenset({"", ".", ".."})  # parts of a path that lead nowhere else
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class RootPath:
    """Restores the prefix that a proxy has stripped: in ASGI `path` starts with `root_path`."""

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope.get("root_path"):  # a server option may have done it already
            scope = {**scope, "root_path": self._root_path, "path": self._root_path + scope["path"]}
        await self._app(scope, receive, send)


class TrailingSlash:
    """Removes one slash from the end of a path of the agent: older agents redirected such paths.

    Everything that looks at the path comes later and sees it without the slash. Any other path is left
    unchanged, and is not found.
    """

    def __init__(self, app: ASGIApp, *, paths: frozenset[str]) -> None:
        self._app = app
        self._paths_with_slash = frozenset(f"{path}/" for path in paths if not path.endswith("/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and get_route_path(scope) in self._paths_with_slash:
            scope = {**scope, "path": scope["path"].removesuffix("/")}
        await self._app(scope, receive, send)


class AllowedHosts:
    """Refuses a Host header that ALLOWED_HOSTS does not list, to stop DNS rebinding."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], exempt: frozenset[str]) -> None:
        self._app = app
        self._names = frozenset(host for host in hosts if not host.startswith("*."))
        self._parents = frozenset(host[2:] for host in hosts if host.startswith("*."))
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or get_route_path(scope) in self._exempt or self._allows(scope):
            await self._app(scope, receive, send)
        else:
            refusal = InvalidRequest("The Host header names no host of ALLOWED_HOSTS")
            await response_to(refusal)(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        values = [value for name, value in scope["headers"] if name == b"host"]
        host = host_of(values[0]) if len(values) == 1 else None
        if host is None:
            return False
        name = host.removesuffix(".")  # a dot at the end makes it fully qualified: the same name
        if name in self._names:
            return True
        labels = name.split(".")
        below = any(".".join(labels[first:]) in self._parents for first in range(1, len(labels)))
        return below and all(map(_LABEL.fullmatch, labels))


class DataHeaders:
    """Forbids caches to store data, and clients to guess its media type.

    It is inside the response cache, so that its headers are added once. An answer that has a Cache-Control of
    its own keeps it; documents and files of an endpoint are not data.
    """

    def __init__(self, app: ASGIApp, *, endpoints: Iterable[Endpoint]) -> None:
        self._app = app
        self._documents: frozenset[str] = frozenset()
        self._folders: tuple[str, ...] = ()
        for endpoint in endpoints:
            self._documents |= frozenset(endpoint.documents)
            self._folders += (f"{endpoint.folder}/",) if endpoint.folder else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = get_route_path(scope)
        document = path in self._documents or path.startswith(self._folders)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                added = [
                    (name, value)
                    for name, value in NO_STORE
                    if name not in there and not (document and name == b"cache-control")
                ]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Cors(CORSMiddleware):
    """Starlette's CORS, with our envelope for a refused preflight; other origins get no CORS headers."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            answer.raw_headers.extend(NO_STORE)
            return answer
        refusal = response_to(InvalidRequest(bytes(answer.body).decode()))
        left_out = (
            ("content-",) if self.is_allowed_origin(request_headers["origin"]) else ("content-", "access-")
        )
        refusal.headers.update(
            {name: value for name, value in answer.headers.items() if not name.startswith(left_out)}
        )
        return refusal

    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        if not self.is_allowed_origin(request_headers.get("origin", "")):
            request_headers = Headers()
        await super().simple_response(scope, receive, send, request_headers)


class Mounted:
    """Passes requests below `prefix` to `mounted`, as Starlette's Mount does.

    Measured: router and Mount took half of the time of a cached answer.
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
    """Ignores a Range header: the files are small, and a bad range would be refused without our envelope.

    A file has exactly one path; Starlette would accept others too, such as one with a slash at the end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _DETOURS.isdisjoint(get_route_path(scope).split("/")[1:]):
            raise HTTPException(404)
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await self._app({**scope, "headers": headers}, receive, send)


class HeadAsGet:
    """Answers HEAD like GET, with the same headers and no body; except for streams, which have no end."""

    def __init__(self, app: ASGIApp, *, streams: frozenset[str]) -> None:
        self._app = app
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or get_route_path(scope) in self._streams:
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET", HEAD_KEY: True}, receive, send_head)
