"""GET /health"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from agent.http.endpoint import Access, Endpoint
from agent.http.json_response import model_response
from agent.http.openapi import Tag
from agent.http.parameters import AgentSettings  # noqa: TC001  (FastAPI reads it)


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = Field(description="always ok: a process that has failed does not answer")
    simulated: bool | None = Field(default=None, description="only present when true: the GPUs are simulated")


router = APIRouter(tags=[Tag.MONITORING])
ENDPOINT = Endpoint(router, answer=Health, access=Access.OPEN, is_probe=True)


@router.get("/health", summary="Whether the process answers")
async def health(settings: AgentSettings) -> Response:
    """Always ok; never calls the driver. For a supervisor that restarts a failed process."""
    return model_response(
        Health(status="ok", simulated=True) if settings.simulate_gpus else Health(status="ok")
    )
