"""GET /free"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse

from agent.derive.free import Wish
from agent.derive.sizes import ACCEPTED, parse_bytes
from agent.http.authentication import ADMISSION_KEY
from agent.http.endpoint import Endpoint
from agent.http.errors import InvalidRequest, Unauthorized
from agent.http.json_response import model_response
from agent.http.openapi import Tag
from agent.http.parameters import Shared, Switch, driver_of, refuse_unknown_parameters
from agent.http.response_cache import HEAD_KEY
from agent.views.envelope import success
from agent.views.free import FreeGpus, cuda_visible_devices, free_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.derive.free import Offer
    from agent.http.authentication import Admission
    from agent.http.shared_state import SharedState
    from agent.readings import Snapshot
    from agent.sampling.waiting import QueueEntry

router = APIRouter(tags=[Tag.GPUS])
ENDPOINT = Endpoint(router, data=FreeGpus, failures=(500, 503), waits=True)

MAX_COUNT = 128
MAX_WAIT = 50.0  # seconds: below the minute after which proxies give up
CHECK_INTERVAL = 1.0  # seconds between two checks of a waiting request

Count = Annotated[
    int, Query(ge=1, le=MAX_COUNT, description="number of GPUs, with mig=1 of instances and GPUs")
]
MinFreeMemory = Annotated[str, Query(description=f"free memory of each: {ACCEPTED}; empty: any")]
MaxUtilization = Annotated[
    float | None,
    Query(
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="utilization in percent that each GPU has not exceeded in the last 60 s;"
        " GPUs with compute processes are then offered too, after those without",
    ),
]
ExcludeUsers = Annotated[
    tuple[str, ...],
    Query(
        description="names or uids of users, joined by commas; GPUs with a process of one of them are left"
        " out. If given more than once, each value is one whole name, which may contain commas"
    ),
]
Model = Annotated[
    str, Query(description="part of the product name, upper or lower case, for example h100; empty: any")
]
Wait = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_WAIT,
        allow_inf_nan=False,
        description="seconds to hold the request until there are enough GPUs, which are then withheld from"
        " others for"
        " 30 s. 0: answer at once and withhold nothing",
    ),
]
Mig = Annotated[
    Switch,
    Query(
        description="offer MIG instances, before whole GPUs and instead of the GPUs that they are on; of"
        " several"
        " instances a CUDA program uses the first"
    ),
]
Format = Annotated[
    Literal["json", "plain", ""],
    Query(description="plain: only the string for CUDA_VISIBLE_DEVICES; status 409 if there are too few"),
]


async def the_wish(
    count: Count = 1,
    min_free_memory: MinFreeMemory = "",
    max_utilization: MaxUtilization = None,
    exclude_users: ExcludeUsers = (),
    model: Model = "",
    mig: Mig = False,
) -> Wish:
    """The wish that the parameters express. Raises InvalidRequest."""
    return Wish(
        count=count,
        min_free_memory_bytes=_parse_memory(min_free_memory),
        max_utilization_percent=max_utilization,
        exclude_users=_parse_users(exclude_users),
        model=model.strip().lower() or None,
        mig=mig,
    )


@router.get(
    "/free",
    summary="Which GPUs can be taken, best first",
    dependencies=[Depends(refuse_unknown_parameters)],
    responses={
        200: {
            "description": "the GPUs, even if there are fewer than asked for; plain: their UUIDs",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        409: {"description": "format=plain, and there are too few GPUs: no body"},
    },
)
async def free(
    request: Request,
    shared: Shared,
    wish: Annotated[Wish, Depends(the_wish)],
    wait: Wait = 0.0,
    format: Format = "json",  # noqa: A002  (the parameter's name on the wire)
) -> Response:
    """First those without a compute process, then those with the most free memory, then the coolest.

    Several GPUs are NVLink neighbours where possible. By default only GPUs without a compute process are
    offered.
    """
    snapshot = await shared.sampler.latest()
    await shared.turnstile.wait()  # many requests may have waited for the same sample
    driver_of(snapshot)
    if wait and HEAD_KEY not in request.scope:  # HEAD would take GPUs without reporting which
        offer = await _wait(request, shared, wish, snapshot, wait)
    else:
        offer = shared.queue.offer_now(wish, snapshot)
    if format != "plain":
        return model_response(success(free_view(offer)))
    if not offer.satisfied:
        return Response(status_code=409)
    return PlainTextResponse(cuda_visible_devices(offer) + "\n")


async def _wait(
    request: Request, shared: SharedState, wish: Wish, snapshot: Snapshot, seconds: float
) -> Offer:
    """The offer once the wish is satisfied, the time is up, or the agent ends.

    Raises TryAgainLater, and Unauthorized once the client's token is revoked.
    """
    admission: Admission = request.scope[ADMISSION_KEY]
    with shared.stream(), shared.queue.join(wish, snapshot) as entry:
        client_is_there = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                client_is_there = await _satisfied_or_ended(request, shared, entry, admission)
        if admission.is_withdrawn():
            raise Unauthorized("The token was revoked while the request waited")
        entry.delivered = client_is_there
        return entry.offer


async def _satisfied_or_ended(
    request: Request, shared: SharedState, entry: QueueEntry, admission: Admission
) -> bool:
    """Returns False once the client has disconnected."""
    async with contextlib.aclosing(
        shared.sampler.watch(CHECK_INTERVAL, MAX_WAIT, admission.is_withdrawn)
    ) as snapshots:
        async for snapshot in snapshots:
            if await request.is_disconnected():
                return False
            if snapshot is not None:
                driver_of(snapshot)
                shared.queue.update(snapshot)
            if entry.offer.satisfied:
                break
    return True


def _parse_memory(text: str) -> int | None:
    if not text.strip():
        return None
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise InvalidRequest(f"Invalid min_free_memory: {error}") from error


def _parse_users(values: Sequence[str]) -> frozenset[str]:
    if len(values) != 1:
        return frozenset(user.strip() for user in values) - {""}
    (text,) = values
    users = [user.strip() for user in text.split(",")] if text.strip() else []
    if not all(users):
        raise InvalidRequest(
            f"Invalid exclude_users: {text[:80]!r};"
            " accepted: names or numbers of users joined by commas, as in ann,1001"
        )
    return frozenset(users)
