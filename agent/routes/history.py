"""GET /history"""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from agent.http.endpoint import Endpoint
from agent.http.errors import InvalidRequest
from agent.http.openapi import Tag
from agent.http.parameters import (
    CurrentSnapshot,
    Indices,
    Shared,
    driver_of,
    refuse_unknown_parameters,
    select,
)
from agent.http.shared_state import HISTORY_PATH
from agent.http.stored import read_stored
from agent.readings import HistoryReading
from agent.sampling.history import HISTORY_SECONDS
from agent.state.history import LONGEST_SECONDS
from agent.state.history_query import level_of, query
from agent.views.history import DEFAULT, FIELDS, GPU_COLUMNS, HistoryColumns, history_json

router = APIRouter(tags=[Tag.GPUS])
ENDPOINT = Endpoint(router, data=HistoryColumns, failures=(500, 503))

Seconds = Annotated[
    float,
    Query(
        gt=0,
        le=LONGEST_SECONDS,
        allow_inf_nan=False,
        description="how far back; with STATE_DIR up to a day (86400) with one value a"
        " minute, up to 90 days (7776000) with one an hour, each the mean of the known values",
    ),
]


async def the_fields(
    fields: Annotated[
        str,
        Query(description=f"columns joined by commas: {', '.join(FIELDS)}; empty: {', '.join(DEFAULT)}"),
    ] = "",
) -> frozenset[str]:
    """The requested columns. Raises InvalidRequest."""
    if not fields.strip():
        return frozenset(DEFAULT)
    wanted = [field.strip() for field in fields.split(",")]
    unknown = next((field for field in wanted if field not in FIELDS), None)
    if unknown is not None:
        raise InvalidRequest(
            f"Invalid fields: {unknown[:80]!r} is none; accepted, joined by commas: {', '.join(FIELDS)}"
        )
    return frozenset(wanted)


Fields = Annotated[frozenset[str], Depends(the_fields)]


@router.get(
    HISTORY_PATH,
    summary="Values of the GPUs and the host over the last hour, or up to 90 days",
    dependencies=[Depends(refuse_unknown_parameters)],
)
async def history(
    shared: Shared,
    snapshot: CurrentSnapshot,
    idx: Indices,
    fields: Fields,
    seconds: Seconds = HISTORY_SECONDS,
) -> Response:
    """Columns over time, the oldest first. Unknown values are null; without history the columns are empty.

    More than an hour is read from the file in STATE_DIR, up to its last write, a minute ago at most. At most
    four requests wait for the file, a second each; others are answered 503.

    Answers are made in a thread, one at a time: an hour of many GPUs takes most of a second. At most 32
    requests wait for their turn, two seconds each; others are answered 503.
    """
    driver_of(snapshot)
    selected = tuple(select(snapshot.gpus, idx))
    columns = [column.field for name, column in GPU_COLUMNS.items() if name in fields]
    if seconds > HISTORY_SECONDS:
        if shared.store is None:
            raise InvalidRequest(
                f"Invalid seconds: {seconds:g}; accepted: up to {HISTORY_SECONDS:g},"
                " because STATE_DIR is not set"
            )
        interval = shared.settings.history_interval
        read = partial(
            query, now=snapshot.taken_at, seconds=seconds, gpus=selected, fields=columns, interval=interval
        )
        kept = await read_stored(shared.store, read)
        return await _response(shared, kept, max(level_of(seconds).step, interval), fields)
    if shared.history is None:
        return await _response(shared, HistoryReading(), None, fields)
    found = shared.history.read(snapshot, seconds, selected, columns)
    return await _response(shared, found, shared.history.interval, fields)


async def _response(
    shared: Shared, found: HistoryReading, interval: float | None, fields: frozenset[str]
) -> Response:
    longest = None
    if shared.history is not None:
        longest = LONGEST_SECONDS if shared.store else HISTORY_SECONDS
    body = await shared.history_queue.run(
        lambda: b"".join(history_json(found, interval, fields, longest=longest))
    )
    return Response(body, media_type="application/json")
