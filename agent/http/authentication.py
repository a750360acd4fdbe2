"""Who may read what: a token for the data, an API key or a token for the stream.

Pure ASGI, so that nothing is buffered in front of a stream. Where tokens are set, every path that no endpoint
declares as open needs a credential, even one that does not exist. The path is matched as the router sees it.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from agent.http.endpoint import Access
from agent.http.errors import Unauthorized, not_found, response_to
from agent.http.route_path import get_route_path
from agent.http.tokens import encodings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from agent.http.endpoint import Endpoint
    from agent.http.tokens import Tokens

_BEARER = b"bearer "
# In the scope of a request whose answer may last: with it the answer checks whether it may go on.
ADMISSION_KEY = "agent.admission"


class Admission:
    """The admission of a request; checked again whenever the tokens in force change."""

    def __init__(self, tokens: Tokens, admits: Callable[[], bool]) -> None:
        self._tokens = tokens
        self._generation = tokens.generation
        self._admits = admits
        self._is_withdrawn = False

    def is_withdrawn(self) -> bool:
        """Whether the credential is no longer valid. Cheap while no token changes."""
        if self._generation != self._tokens.generation:
            self._generation = self._tokens.generation
            self._is_withdrawn = not self._admits()
        return self._is_withdrawn


class Authentication:
    """Passes a request on to `app`, or answers 401."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        endpoints: Sequence[Endpoint],
        tokens: Tokens,
        metrics_token: str = "",
        api_keys: Sequence[str] = (),
    ) -> None:
        self._app = app
        self._open = _paths(endpoints, Access.OPEN)
        self._open_folders = tuple(
            f"{endpoint.folder}/"
            for endpoint in endpoints
            if endpoint.folder and endpoint.access is Access.OPEN
        )
        self._lasting = frozenset(
            path
            for endpoint in endpoints
            for path in (endpoint.paths if endpoint.waits else endpoint.streams)
        )
        self._takes_api_key = _paths(endpoints, Access.API_KEY)
        self._takes_metrics_token = _paths(endpoints, Access.METRICS_TOKEN)
        self._tokens = tokens
        self._metrics_tokens = encodings([metrics_token] if metrics_token else [])
        self._api_keys = encodings(api_keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = get_route_path(scope) if scope["type"] == "http" else ""
        if path in self._lasting:
            credentials = {name: scope[name] for name in ("headers", "query_string")}  # not itself: no circle
            scope[ADMISSION_KEY] = Admission(self._tokens, partial(self._admits, credentials, path))
        if scope["type"] == "http" and not self._admits(scope, path):
            await response_to(Unauthorized(self._advice(path)))(scope, receive, send)
        elif path.endswith("\n"):  # the router's patterns end in `$`, which matches before it too
            await not_found(scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _admits(self, scope: Mapping[str, Any], path: str) -> bool:
        if path in self._open or path.startswith(self._open_folders):
            return True
        if path in self._takes_api_key:
            guarded = self._tokens.are_required or self._api_keys
            return not guarded or self._has_token(scope, path) or self._has_api_key(scope)
        return not self._tokens.are_required or self._has_token(scope, path)

    def _has_token(self, scope: Mapping[str, Any], path: str) -> bool:
        tokens = self._tokens.encoded
        if path in self._takes_metrics_token:
            tokens += self._metrics_tokens
        given = _header(scope, b"authorization")
        if given is None:
            return False
        candidates = [given]
        if given[: len(_BEARER)].lower() == _BEARER:
            candidates.append(given[len(_BEARER) :].strip())
        return _matches(candidates, tokens)

    def _has_api_key(self, scope: Mapping[str, Any]) -> bool:
        given = (_header(scope, b"x-api-key"), _query_value(scope, "api_key"))
        return _matches([key for key in given if key is not None], self._api_keys)

    def _advice(self, path: str) -> str:
        names = ["TOKEN"]
        if path in self._takes_metrics_token and self._metrics_tokens:
            names.append("METRICS_TOKEN")
        ways = [f"the header Authorization: <{' or '.join(names)}>"] if self._tokens.are_required else []
        if path in self._takes_api_key and self._api_keys:
            ways += ["the header X-API-Key: <key>", "the parameter api_key=<key>"]
        return f"The credential is missing or wrong; this path takes {' or '.join(ways)}"


def _paths(endpoints: Iterable[Endpoint], access: Access) -> frozenset[str]:
    return frozenset(path for endpoint in endpoints if endpoint.access is access for path in endpoint.paths)


def _header(scope: Mapping[str, Any], name: bytes) -> bytes | None:
    """The header's value without surrounding blanks; a repeated header is no valid credential."""
    values = [value.strip(b" \t") for key, value in scope["headers"] if key == name]
    return values.pop() if len(values) == 1 else None


def _query_value(scope: Mapping[str, Any], name: str) -> bytes | None:
    query = scope["query_string"].decode(errors="surrogateescape")  # keeps bytes that are not UTF-8
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    values = [value for key, value in pairs if key == name]
    return values.pop().encode(errors="surrogateescape") if len(values) == 1 else None


def _matches(given: Iterable[bytes], secrets: Sequence[bytes]) -> bool:
    """Compares in constant time: every pair is compared, whatever the earlier results."""
    return any([hmac.compare_digest(one, secret) for one in given for secret in secrets])  # noqa: C419  (see above)
