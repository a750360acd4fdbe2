"""GET /gpu"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from agent.http.endpoint import Endpoint
from agent.http.parameters import CurrentSnapshot, Indices, Shared, driver_of, select
from agent.http.pieces import json_response
from agent.views.gpu import GpuMetrics

router = APIRouter()
ENDPOINT = Endpoint(router, failures=(500, 503))


Detail = Annotated[Literal["0", "1", ""], Query(description="1: add everything else that the driver tells")]


@router.get("/gpu", summary="GPUs and host with derived metrics", response_model=GpuMetrics)
async def gpu(shared: Shared, snapshot: CurrentSnapshot, idx: Indices, detail: Detail = "0") -> Response:
    """Every GPU with derived metrics, their sums, and the host. What is unknown is null."""
    driver = driver_of(snapshot)
    selected = select(snapshot.gpus, idx)
    return await json_response(shared, shared.json_of(snapshot).gpu(driver, selected, detail=detail == "1"))
