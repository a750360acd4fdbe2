"""GET /users"""

from __future__ import annotations

from fastapi import APIRouter

from agent.routes.parameters import CurrentAgent, CurrentSnapshot, driver_of
from agent.views.envelope import Success, success
from agent.views.users import Users, users_view

router = APIRouter()


@router.get("/users", summary="What each user holds and has used of the GPUs")
async def users(agent: CurrentAgent, snapshot: CurrentSnapshot) -> Success[Users]:
    """Every user with a process on a GPU now, or since the agent started. What is unknown is null."""
    driver_of(snapshot)
    return success(users_view(snapshot, idle_after_seconds=agent.settings.idle_holder_minutes * 60))
