"""GET /processes"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from agent.errors import InvalidRequest
from agent.routes.parameters import CurrentAgent, CurrentSnapshot, Indices, driver_of, select
from agent.views.envelope import Success, success
from agent.views.processes import Processes, processes_view

router = APIRouter()

User = Annotated[str, Query(description="only processes of this user; empty: of all")]
Idle = Annotated[
    Literal["0", "1", ""],
    Query(description="1: only processes that have been idle on their GPU for IDLE_HOLDER_MINUTES"),
]


@router.get("/processes", summary="Processes on GPUs: whose they are, where they belong, who idles")
async def processes(
    agent: CurrentAgent, snapshot: CurrentSnapshot, idx: Indices, user: User = "", idle: Idle = "0"
) -> Success[Processes]:
    """Every process on every GPU. What is unknown is null."""
    driver_of(snapshot)
    if idle == "1" and snapshot.ledger is None:  # an empty list would say that nobody is
        raise InvalidRequest("Invalid idle: with HISTORY_INTERVAL=0 it is not known who is idle")
    return success(
        processes_view(
            snapshot,
            select(snapshot.gpus, idx),
            idle_after_seconds=agent.settings.idle_holder_minutes * 60,
            user=user or None,
            idle_only=idle == "1",
        )
    )
