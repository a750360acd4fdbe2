"""GET /gpu"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from agent.http.endpoint import Endpoint
from agent.http.json_response import json_response
from agent.http.openapi import Tag
from agent.http.parameters import CurrentSnapshot, Indices, Shared, Switch, driver_of, select
from agent.views.gpu import GpuMetrics

router = APIRouter(tags=[Tag.GPUS])
ENDPOINT = Endpoint(router, answer=GpuMetrics, failures=(500, 503))


Detail = Annotated[Switch, Query(description="add everything else that the driver reports")]


@router.get("/gpu", summary="GPUs and host with derived metrics")
async def gpu(shared: Shared, snapshot: CurrentSnapshot, idx: Indices, detail: Detail = False) -> Response:
    """Every GPU with derived metrics, their sums, and the host. Unknown values are null."""
    driver = driver_of(snapshot)
    selected = select(snapshot.gpus, idx)
    return await json_response(shared, shared.json_of(snapshot).gpu(driver, selected, detail=detail))
