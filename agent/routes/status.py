"""GET /status"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from agent.routes.parameters import CurrentSnapshot, Indices, driver_of, select
from agent.views.envelope import Success, success
from agent.views.status import Status, status_view

router = APIRouter()

ProcessType = Annotated[
    Literal["C", "G", "NA", ""],
    Query(description="only processes of this type: compute, graphics, unknown; empty: all"),
]
Mig = Annotated[Literal["0", "1", ""], Query(description="1: list MIG instances in the place of their GPU")]


@router.get("/status", summary="GPUs and the processes on them", response_model_exclude_unset=True)
async def status(
    snapshot: CurrentSnapshot, idx: Indices, process: ProcessType = "", mig: Mig = "0"
) -> Success[Status]:
    """Every GPU with its live values, and every process on it. What is unknown is "N/A"."""
    driver_of(snapshot)
    return success(status_view(snapshot, select(snapshot.gpus, idx), process or None, mig=mig == "1"))
