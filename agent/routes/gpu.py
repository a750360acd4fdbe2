"""GET /gpu"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from agent.routes.parameters import CurrentAgent, CurrentSnapshot, Indices, driver_of, select
from agent.views.gpu import GpuMetrics, metrics_view

router = APIRouter()


Detail = Annotated[Literal["0", "1", ""], Query(description="1: add everything else that the driver tells")]


@router.get("/gpu", summary="GPUs and host with derived metrics", response_model_exclude_unset=True)
async def gpu(
    agent: CurrentAgent, snapshot: CurrentSnapshot, idx: Indices, detail: Detail = "0"
) -> GpuMetrics:
    """Every GPU with derived metrics, their sums, and the host. What is unknown is null."""
    driver = driver_of(snapshot)
    selected = select(snapshot.gpus, idx)
    return metrics_view(snapshot, driver, selected, agent.thresholds, detail=detail == "1")
