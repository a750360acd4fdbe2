"""GET /processes"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from agent.http.endpoint import Endpoint
from agent.http.errors import InvalidRequest
from agent.http.json_response import json_response
from agent.http.openapi import Tag
from agent.http.parameters import (
    CurrentSnapshot,
    Indices,
    Shared,
    Switch,
    driver_of,
    parse_numbers,
    refuse_unknown_parameters,
    select,
)
from agent.views.processes import Processes

router = APIRouter(tags=[Tag.PROCESSES])
ENDPOINT = Endpoint(router, data=Processes, failures=(500, 503))

User = Annotated[str, Query(description="only processes of this user, by name or uid; empty: of all users")]
Pids = Annotated[str, Query(description="only these processes: pids joined by commas; empty: all")]
Idle = Annotated[
    Switch,
    Query(description="only processes that have been idle on their GPU for IDLE_HOLDER_MINUTES"),
]


@router.get(
    "/processes",
    summary="Processes on GPUs: their user, their container, pod or job, and which are idle",
    dependencies=[Depends(refuse_unknown_parameters)],
)
async def processes(
    shared: Shared,
    snapshot: CurrentSnapshot,
    idx: Indices,
    user: User = "",
    pid: Pids = "",
    idle: Idle = False,
) -> Response:
    """Every process on every GPU. Unknown values are null."""
    driver_of(snapshot)
    if idle and snapshot.ledger is None:  # an empty list would mean that no process is idle
        raise InvalidRequest("Invalid idle: with HISTORY_INTERVAL=0 it is not known who is idle")
    selected = select(snapshot.gpus, idx)
    pids = parse_numbers(pid, "Invalid pid: pid", "numbers joined by commas, as in 4711,4712")
    rows = shared.json_of(snapshot).processes(selected, user=user or None, pids=pids, idle_only=idle)
    return await json_response(shared, rows)
