"""GET /gpu"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from agent.routes.parameters import CurrentAgent, CurrentSnapshot, Indices, driver_of, select
from agent.routes.pieces import json_response
from agent.views.gpu import GpuMetrics

router = APIRouter()


Detail = Annotated[Literal["0", "1", ""], Query(description="1: add everything else that the driver tells")]


@router.get("/gpu", summary="GPUs and host with derived metrics", response_model=GpuMetrics)
async def gpu(agent: CurrentAgent, snapshot: CurrentSnapshot, idx: Indices, detail: Detail = "0") -> Response:
    """Every GPU with derived metrics, their sums, and the host. What is unknown is null."""
    driver = driver_of(snapshot)
    selected = select(snapshot.gpus, idx)
    return await json_response(agent, agent.json_of(snapshot).gpu(driver, selected, detail=detail == "1"))
