"""GET /usage"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from agent.http.endpoint import Endpoint
from agent.http.errors import InvalidRequest, NotSet
from agent.http.json_response import json_response
from agent.http.openapi import Tag
from agent.http.parameters import Shared, refuse_unknown_parameters
from agent.http.stored import read_stored
from agent.readings import UsageBy, local_day, local_zone
from agent.state.usage import first_day, totals
from agent.views.usage import Period, UsageHours, usage_csv, usage_json

if TYPE_CHECKING:
    from agent.http.shared_state import SharedState
    from agent.state.store import Store

router = APIRouter(tags=[Tag.PROCESSES])
ENDPOINT = Endpoint(router, data=UsageHours, failures=(404, 503))

MAX_DAYS = 4000  # the maximum of STATE_DAYS

Days = Annotated[
    int,
    Query(ge=1, le=MAX_DAYS, description="number of days up to today; STATE_DAYS are kept"),
]
By = Annotated[UsageBy, Query(description="what each row is about")]
Format = Annotated[
    Literal["json", "csv"],
    Query(description="csv: a table for a spreadsheet, with a line of names, and empty fields for null"),
]


@router.get(
    "/usage",
    summary="Who used how many GPU hours",
    dependencies=[Depends(refuse_unknown_parameters)],
    responses={
        200: {
            "description": "the GPU hours by user, by day or by GPU",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        }
    },
)
async def usage(
    shared: Shared,
    days: Days = 30,
    by: By = UsageBy.USER,
    format: Format = "json",  # noqa: A002  (the parameter's name on the wire)
) -> Response:
    """Read from the file in STATE_DIR, by the host's local dates.

    Unknown values are null, and hours are never scaled up.

    At most 5,000 rows. At most four requests wait for the file, a second each; others are answered 503.
    """
    store = _store(shared, by)
    now = time.time()
    first, last = first_day(now, days), local_day(now)
    found = await read_stored(store, totals(by, first, last))
    period = Period(first, last, local_zone(), store.reading.written_at)
    gpus = (await shared.sampler.latest()).gpus if by is UsageBy.GPU else ()
    indices = {gpu.identity.uuid: gpu.index for gpu in gpus if gpu.identity.uuid}
    if format == "json":
        return await json_response(shared, usage_json(by, period, found, indices))
    return Response(
        await shared.time_slices.join(usage_csv(by, period, found, indices)),
        media_type="text/csv; charset=utf-8; header=present",
        headers={
            "Content-Disposition": f'attachment; filename="gpu-hours-by-{by}-{first}-{last}.csv"',
            "X-Rows-Left-Out": str(found.left_out),
        },
    )


def _store(shared: SharedState, by: UsageBy) -> Store:
    """The store that has the answer. Raises NotSet, and InvalidRequest."""
    if shared.store is None:
        raise NotSet("GPU hours are not kept: STATE_DIR is not set")
    if by is UsageBy.USER and not shared.settings.state_users:
        raise InvalidRequest("Invalid by: 'user', and STATE_USERS is 0; accepted: day, gpu")
    return shared.store
