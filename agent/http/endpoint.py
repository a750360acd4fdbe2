"""The declaration of an endpoint, made in its file in agent/routes/ and read by everything else."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute

from agent.http import openapi
from agent.http.parameters import (
    flattened,
    known_parameters,
    refuse_repeated_parameters,
    refuse_unknown_parameters,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi.params import Depends as Dependency

    from agent.http.web import KeptFiles

EVENT_STREAM = "text/event-stream"


class Access(StrEnum):
    """Who may read an endpoint, in the words of the table in docs/api.md."""

    OPEN = "all"
    TOKEN = "TOKEN"  # noqa: S105  (the name of a setting)
    METRICS_TOKEN = "TOKEN or METRICS_TOKEN"  # noqa: S105  (names of settings)
    API_KEY = "API key or TOKEN"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One file of agent/routes/. An endpoint that does not say who may read it requires the TOKEN.

    The rest follows from the routes: 401 from `access`, 400 from their parameters, whether an answer is kept
    from what they depend on (cache_key.py).
    """

    router: APIRouter = field(default_factory=APIRouter)
    _: KW_ONLY
    access: Access = Access.TOKEN
    answer: Any = None  # type of the JSON of its answers; None: no JSON, or `data`
    data: Any = None  # type of `data` in its answers, where they come in the envelope
    failures: tuple[int, ...] = ()  # statuses of its failing answers, besides 400 and 401
    waits: bool = False  # its answers may take so long that a token can be revoked meanwhile
    is_probe: bool = False  # probes use an IP address as host, which ALLOWED_HOSTS does not list
    documents: tuple[str, ...] = ()  # paths that FastAPI answers by itself; the answers never change
    folder: str = ""  # path of the files that its page loads; they need the same access as the page
    files: KeptFiles | None = None  # the ASGI app below `folder`; None: FastAPI's

    @property
    def routes(self) -> Sequence[APIRoute]:
        """The routes.

        Raises TypeError for a route that is not a GET of one exact path, because authentication, HEAD and
        kept answers look only at the path.
        """
        routes: list[APIRoute] = []
        for route in self.router.routes:
            if not isinstance(route, APIRoute) or route.methods != {"GET"} or "{" in route.path:
                raise TypeError(f"{route} is not a GET of one exact path")
            routes.append(route)
        return routes

    @property
    def paths(self) -> frozenset[str]:
        """All its paths, except those of files."""
        return frozenset(route.path for route in self.routes).union(self.documents)

    @property
    def streams(self) -> frozenset[str]:
        """Those of its paths whose answers have no end."""
        return frozenset(
            route.path
            for route in self.routes
            if getattr(route.response_class, "media_type", None) == EVENT_STREAM
        )

    @property
    def takes_parameters(self) -> bool:
        """Whether a query can be wrong."""
        return any(
            known_parameters(route.dependant) or refuse_unknown_parameters in calls(route)
            for route in self.routes
        )

    @property
    def dependencies(self) -> Sequence[Dependency]:
        """Dependencies of its routes in addition to those that they declare."""
        once = [Depends(refuse_repeated_parameters)] if self.takes_parameters else []
        credential = [] if self.access is Access.OPEN else openapi.TOKEN
        return [*once, *credential]

    @property
    def responses(self) -> dict[int | str, dict[str, Any]]:
        """Its failing answers, for the OpenAPI document."""
        wrong = (400,) if self.takes_parameters else ()
        unauthorized = () if self.access is Access.OPEN else (401,)
        return openapi.failures(*wrong, *unauthorized, *self.failures)


def calls(route: APIRoute) -> set[Callable[..., Any] | None]:
    """The functions that make its answer: the route itself and its dependencies."""
    return {dependant.call for dependant in flattened(route.dependant)}
