"""What the routes take: the Snapshot of this request and the parameters that several share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, cast, get_origin

from fastapi import Depends, Query, Request
from fastapi.security import APIKeyQuery
from pydantic import BeforeValidator

from agent.http.errors import InvalidRequest, NoDriver, TryAgainLater
from agent.http.response_cache import SNAPSHOT_KEY
from agent.http.shared_state import SharedState
from agent.readings import DriverReading, GpuSample, Snapshot
from agent.readings.troubles import ABOUT_A_STUCK_DRIVER
from agent.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastapi.dependencies.models import Dependant

NO_CONTACT = "The NVIDIA driver has not answered yet"


async def the_shared_state(request: Request) -> SharedState:
    """The running agent."""
    return cast("SharedState", request.app.state.shared)


async def the_settings(request: Request) -> Settings:
    """The settings, which never change while the agent runs."""
    return cast("SharedState", request.app.state.shared).settings


async def the_snapshot(request: Request) -> Snapshot:
    """The Snapshot that this request is answered from."""
    return cast("Snapshot", request.scope[SNAPSHOT_KEY])


def driver_of(snapshot: Snapshot) -> DriverReading:
    """The driver. Raises NoDriver without one, TryAgainLater before first contact."""
    if snapshot.driver is not None:
        return snapshot.driver
    if snapshot.driver_error is not None:
        raise NoDriver(snapshot.driver_error)
    raise TryAgainLater(no_contact(snapshot))


def no_contact(snapshot: Snapshot) -> str:
    """Why there has been no contact with the driver yet; one that hangs is no matter of a second."""
    if snapshot.driver_is_stuck:
        return f"{NO_CONTACT}, and a call to it does not return; {ABOUT_A_STUCK_DRIVER}"
    return f"{NO_CONTACT}; try again in a second"


def flattened(dependant: Dependant) -> Iterator[Dependant]:
    """A route, or a dependency, with all its dependencies."""
    yield dependant
    for needed in dependant.dependencies:
        yield from flattened(needed)


def known_parameters(dependant: Dependant) -> frozenset[str]:
    """The names of the query parameters that a route reads."""
    names: set[str] = set()
    for one in flattened(dependant):
        names.update(field.alias for field in one.query_params)
        if isinstance(one.call, APIKeyQuery):
            names.add(one.call.model.name)
    return frozenset(names)


async def refuse_repeated_parameters(request: Request) -> None:
    """Refuse a parameter that is given twice, unless it is a list."""
    dependants = flattened(request.scope["route"].dependant)
    lists = {
        field.alias
        for dependant in dependants
        for field in dependant.query_params
        if get_origin(field.field_info.annotation) is tuple
    }
    known = _known_to(request) - lists
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if times > 1 and name == "idx":
            raise InvalidRequest("Invalid GPU index: idx is given more than once, it takes a list: idx=0,1")
        if times > 1 and name in known:
            raise InvalidRequest(f"Invalid {name}: it is given {times} times, it takes one value")


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a parameter that the route does not take, where a misspelt one would do harm.

    Elsewhere unknown names are ignored: clients append them to bypass caches.
    """
    known = _known_to(request)
    for name in request.query_params:
        if name not in known:
            accepted = ", ".join(sorted(known)) or "none"
            raise InvalidRequest(f"Unknown parameter: '{name[:80]}'; accepted: {accepted}")


def _known_to(request: Request) -> frozenset[str]:
    return known_parameters(request.scope["route"].dependant)


def parse_numbers(text: str, wrong: str, accepted: str) -> frozenset[int] | None:
    """`0, 1` as numbers, None for all. Raises InvalidRequest, which says what is `wrong` and `accepted`."""
    if not text.strip():
        return None
    entries = [entry.strip() for entry in text.split(",")]
    # Ten digits are more than any number has; int() refuses thousands of them with a message of its own.
    if not all(entry.isascii() and entry.isdigit() and len(entry) <= 10 for entry in entries):
        raise InvalidRequest(f"{wrong}={text[:80]!r}; accepted: {accepted}")
    return frozenset(int(entry) for entry in entries)


def parse_indices(text: str) -> frozenset[int] | None:
    """The GPUs with these indices, None for all. Raises InvalidRequest."""
    return parse_numbers(text, "Invalid GPU index: idx", "numbers joined by commas, as in 0,1")


def select(gpus: Sequence[GpuSample], indices: frozenset[int] | None) -> Sequence[GpuSample]:
    """The GPUs with these indices. Raises InvalidRequest for one that does not exist."""
    if indices is None:
        return gpus
    for index in sorted(indices):
        if index >= len(gpus):
            there_are = f"0 to {len(gpus) - 1}" if len(gpus) > 1 else "0" if gpus else "none"
            raise InvalidRequest(f"Invalid GPU index: idx={index}; the indices of this host: {there_are}")
    return [gpu for gpu in gpus if gpu.index in indices]


def _parse_switch(text: str) -> bool:
    """Whether it is on; an empty value is off. Some clients write `True`."""
    if text in ("1", "true", "True"):
        return True
    if text in ("", "0", "false", "False"):
        return False
    raise ValueError("should be 0, 1, false or true")


async def the_indices(
    idx: Annotated[str, Query(description="GPU indices joined by commas, as in `0,1`; empty: all")] = "",
) -> frozenset[int] | None:
    """The parameter `idx`."""
    return parse_indices(idx)


Switch = Annotated[bool, BeforeValidator(_parse_switch)]
Shared = Annotated[SharedState, Depends(the_shared_state)]
AgentSettings = Annotated[Settings, Depends(the_settings)]
CurrentSnapshot = Annotated[Snapshot, Depends(the_snapshot)]
Indices = Annotated[frozenset[int] | None, Depends(the_indices)]
