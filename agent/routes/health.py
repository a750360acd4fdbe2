"""GET /health"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from agent.http.endpoint import Access, Endpoint
from agent.http.openapi import Tag
from agent.http.parameters import AgentSettings  # noqa: TC001  (FastAPI reads it)

router = APIRouter(tags=[Tag.MONITORING])
ENDPOINT = Endpoint(router, access=Access.OPEN, is_probe=True)


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = Field(description="always ok: a process that has failed does not answer")
    simulated: bool | None = Field(default=None, description="only present when true: the GPUs are simulated")


@router.get("/health", summary="Whether the process answers", response_model_exclude_unset=True)
async def health(settings: AgentSettings) -> Health:
    """Always ok; never calls the driver. For a supervisor that restarts a failed process."""
    return Health(status="ok", simulated=True) if settings.simulate_gpus else Health(status="ok")
