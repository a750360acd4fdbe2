"""GET /health and GET /ready"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from agent.derive.health import examine
from agent.http.errors import TryAgainLater
from agent.http.openapi import failures
from agent.http.parameters import NO_CONTACT, CurrentSnapshot, Shared
from agent.readings import GpuState
from agent.views.health import VerdictWord

router = APIRouter()


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = Field(description="always ok: a process that is not would not answer")
    simulated: bool | None = Field(
        default=None, description="only when true: no real GPU is behind the numbers"
    )


class Readiness(BaseModel):
    """There is live data."""

    status: Literal["ready"] = Field(description="always ready: else the answer is 503")
    gpus: dict[GpuState, int] = Field(description="number of GPUs by state")
    health: dict[VerdictWord, int] = Field(description="number of GPUs by verdict")


@router.get("/health", summary="Whether the process answers", response_model_exclude_unset=True)
async def health(shared: Shared) -> Health:
    """Always ok, and never touches the driver: for whoever restarts a dead process."""
    return Health(status="ok", simulated=True) if shared.simulated else Health(status="ok")


@router.get("/ready", summary="Whether there is live data", responses=failures(503))
async def ready(snapshot: CurrentSnapshot) -> Readiness:
    """Ready while at least one GPU is in state ok: for whoever sends clients here."""
    states = Counter(gpu.state for gpu in snapshot.gpus)
    if not states[GpuState.OK]:
        found = ", ".join(f"{number} {state}" for state, number in states.items())
        no_gpu = f"No GPU is ok: {found or 'there is none'}" if snapshot.driver else NO_CONTACT
        raise TryAgainLater(snapshot.driver_error or no_gpu)
    verdicts = Counter(
        health.verdict.word for health in examine(snapshot).values() if health.verdict is not None
    )
    return Readiness(status="ready", gpus=dict(states), health=dict(verdicts))
