"""GET /status"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from agent.http.endpoint import Endpoint
from agent.http.json_response import json_response
from agent.http.openapi import Tag
from agent.http.parameters import CurrentSnapshot, Indices, Shared, Switch, driver_of, select
from agent.views.status import Status

router = APIRouter(tags=[Tag.GPUS])
ENDPOINT = Endpoint(router, data=Status, failures=(500, 503))

ProcessType = Annotated[
    Literal["C", "G", "NA", ""],
    Query(description="only processes of this type: compute, graphics, unknown; empty: all"),
]
Mig = Annotated[Switch, Query(description="list MIG instances instead of their GPU")]


@router.get("/status", summary="GPUs and the processes on them")
async def status(
    shared: Shared,
    snapshot: CurrentSnapshot,
    idx: Indices,
    process: ProcessType = "",
    mig: Mig = False,
) -> Response:
    """Every GPU with its live values, and every process on it. An unknown value is "N/A"."""
    driver_of(snapshot)
    selected = select(snapshot.gpus, idx)
    return await json_response(shared, shared.json_of(snapshot).status(selected, process or None, mig=mig))
