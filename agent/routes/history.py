"""GET /history"""

from __future__ import annotations

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
from agent.http.pieces import json_response
from agent.readings import HistoryReading
from agent.sampling.history import HISTORY_SECONDS
from agent.views.envelope import Success
from agent.views.history import DEFAULT, FIELDS, GPU_COLUMNS, HistoryColumns, history_json

router = APIRouter(tags=[Tag.GPUS])
ENDPOINT = Endpoint(router, failures=(500, 503))

Seconds = Annotated[
    float,
    Query(gt=0, le=HISTORY_SECONDS, allow_inf_nan=False, description="how far back; an hour is remembered"),
]


async def the_fields(
    fields: Annotated[
        str,
        Query(description=f"columns joined by commas: {', '.join(FIELDS)}; empty: {', '.join(DEFAULT)}"),
    ] = "",
) -> frozenset[str]:
    """The columns wanted. Raises InvalidRequest."""
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
    "/history",
    summary="What the GPUs and the host did in the last hour",
    response_model=Success[HistoryColumns],
    dependencies=[Depends(refuse_unknown_parameters)],
)
async def history(
    shared: Shared,
    snapshot: CurrentSnapshot,
    idx: Indices,
    fields: Fields,
    seconds: Seconds = HISTORY_SECONDS,
) -> Response:
    """Columns over time, the oldest first. Unknown values are null; without history the columns are empty."""
    driver_of(snapshot)
    selected = tuple(select(snapshot.gpus, idx))
    if shared.history is None:
        return await json_response(shared, history_json(HistoryReading(), None, fields))
    columns = [column.field for name, column in GPU_COLUMNS.items() if name in fields]
    found = shared.history.read(snapshot, seconds, selected, columns)
    return await json_response(shared, history_json(found, shared.history.interval, fields))
