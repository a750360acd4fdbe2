"""GET /gpu"""

from __future__ import annotations

from fastapi import APIRouter

from agent.routes.parameters import CurrentAgent, CurrentSnapshot, Indices, driver_of, select
from agent.views.gpu import GpuMetrics, metrics_view

router = APIRouter()


@router.get("/gpu", summary="GPUs and host with derived metrics")
async def gpu(agent: CurrentAgent, snapshot: CurrentSnapshot, idx: Indices) -> GpuMetrics:
    """Every GPU with derived metrics, their sums, and the host. What is unknown is null."""
    driver = driver_of(snapshot)
    return metrics_view(snapshot, driver, select(snapshot.gpus, idx), agent.thresholds)
