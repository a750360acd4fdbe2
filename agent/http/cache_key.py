"""The cache key of a request: the values that its answer depends on.

The routes themselves are inspected, so a new endpoint or parameter needs nothing here. The answer of a route
that takes the Snapshot depends only on the Snapshot and its parameters; the answer of a route that takes only
the settings never changes while the agent runs. The key has the values that the route receives, so the order
of names, blanks, explicit defaults and unknown names do not change it.
"""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from starlette.datastructures import Headers

from agent.http.endpoint import calls
from agent.http.errors import InvalidRequest
from agent.http.parameters import (
    flattened,
    known_parameters,
    refuse_unknown_parameters,
    the_settings,
    the_shared_state,
    the_snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

    from fastapi.dependencies.models import Dependant
    from fastapi.routing import APIRoute
    from starlette.types import Scope

    from agent.http.endpoint import Endpoint

_MAX_REMEMBERED = 256  # keys by their requests
_MAX_LENGTH = 512  # bytes of a request whose key is remembered; the key of a longer one is made each time


class WrongParameter(Exception):
    """The request has no key, because the route refuses it."""


class RouteCacheKey:
    """Makes the keys of the requests for one route."""

    def __init__(self, route: APIRoute) -> None:
        self._path = route.path
        self._dependant = route.dependant
        self._known = known_parameters(route.dependant)
        self._is_strict = refuse_unknown_parameters in calls(route)
        self.headers = frozenset(
            field.alias.encode()
            for dependant in flattened(route.dependant)
            for field in dependant.header_params
        )
        self._remembered: dict[tuple[bytes, ...], Hashable] = {}
        for dependant in flattened(route.dependant):
            if _takes_request(dependant) and dependant.call not in _HARMLESS:
                raise TypeError(f"{route.path} is kept, and must not depend on the request as a whole")

    def remembered(self, scope: Scope) -> Hashable | None:
        """The key, if it was made before."""
        return self._remembered.get(self._request(scope))

    async def make(self, scope: Scope) -> Hashable | None:
        """The key; None: the request is invalid, and its route says why."""
        query: dict[str, str] = {}
        for name, value in _pairs(scope["query_string"]):
            if name in query or (self._is_strict and name not in self._known):
                return None
            if name in self._known:
                query[name] = unquote_plus(value)
        headers = Headers(raw=scope["headers"])
        try:
            key = (self._path, await _values(self._dependant, query, headers))
        except (WrongParameter, InvalidRequest):
            return None
        request = self._request(scope)
        if sum(map(len, request)) <= _MAX_LENGTH:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[request] = key
        return key

    def _request(self, scope: Scope) -> tuple[bytes, ...]:
        if not self.headers:
            return (scope["query_string"],)
        parts = [part for header in scope["headers"] if header[0] in self.headers for part in header]
        return (scope["query_string"], *parts)


# They receive the request, but use only what is the same for all requests.
_HARMLESS = {the_settings, the_shared_state, the_snapshot, refuse_unknown_parameters}


def cache_keys(endpoints: Iterable[Endpoint]) -> dict[str, RouteCacheKey]:
    """The paths that are answered from one Snapshot, each with the object that makes its keys."""
    return {
        route.path: RouteCacheKey(route)
        for endpoint in endpoints
        for route in endpoint.routes
        if the_snapshot in calls(route)
    }


def constant_paths(endpoints: Iterable[Endpoint]) -> frozenset[str]:
    """The paths whose answers never change while the agent runs."""
    return frozenset(
        path
        for endpoint in endpoints
        for path in (
            *endpoint.documents,
            *(route.path for route in endpoint.routes if _is_constant(route)),
        )
    )


def _is_constant(route: APIRoute) -> bool:
    takes = route.dependant
    takes_more = takes.query_params or takes.header_params or takes.cookie_params or _takes_request(takes)
    return calls(route) == {route.endpoint, the_settings} and not takes_more


def _pairs(query_string: bytes) -> Iterator[tuple[str, str]]:
    """Names and raw values, split as `urllib.parse.parse_qsl` does.

    That function decodes everything, which takes 5 ms for 8 KiB.
    """
    for pair in query_string.decode("latin-1").split("&"):
        if pair:
            name, _, value = pair.partition("=")
            yield (unquote_plus(name) if "%" in name or "+" in name else name), value


def _takes_request(dependant: Dependant) -> bool:
    return bool(dependant.request_param_name or dependant.http_connection_param_name)


async def _values(dependant: Dependant, query: Mapping[str, str], headers: Headers) -> tuple[Hashable, ...]:
    """The arguments of the route's function, except the shared state and the Snapshot.

    Raises WrongParameter.
    """
    return tuple((await _arguments(dependant, query, headers)).items())


async def _arguments(dependant: Dependant, query: Mapping[str, str], headers: Headers) -> dict[str, Any]:
    arguments = {field.name: _value(field, query.get(field.alias)) for field in dependant.query_params}
    for field in dependant.header_params:
        lines = headers.getlist(field.alias)  # several are one list, by RFC 9110
        arguments[field.name] = _value(field, ", ".join(lines) if lines else None)
    for needed in dependant.dependencies:
        if not _takes_request(needed):
            assert needed.call is not None  # noqa: S101  (FastAPI's type covers more than dependencies)
            value = needed.call(**await _arguments(needed, query, headers))
            arguments[needed.name or ""] = await value if isawaitable(value) else value
    return arguments


def _value(field: Any, given: str | None) -> Any:
    """The parameter's value; an empty one counts as absent. Raises WrongParameter.

    `field` is one of a Dependant; FastAPI gives its type no public name.
    """
    if given is None:
        return field.get_default()
    value, errors = field.validate(given, {}, loc=("query", field.alias))
    if errors:
        raise WrongParameter(field.alias)
    return value if given else field.get_default()
