"""GET /users"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response

from agent.http.endpoint import Endpoint
from agent.http.json_response import json_response
from agent.http.openapi import Tag
from agent.http.parameters import CurrentSnapshot, Shared, driver_of, refuse_unknown_parameters
from agent.views.users import Users, users_json

router = APIRouter(tags=[Tag.PROCESSES])
ENDPOINT = Endpoint(router, data=Users, failures=(500, 503))


@router.get(
    "/users",
    summary="GPUs and GPU time of each user",
    dependencies=[Depends(refuse_unknown_parameters)],
)
async def users(shared: Shared, snapshot: CurrentSnapshot) -> Response:
    """Every user with a process on a GPU now, or since the agent started. Unknown values are null."""
    driver_of(snapshot)
    settings = shared.settings
    usage_days = settings.state_days if settings.state_dir and settings.state_users else None
    return await json_response(shared, users_json(snapshot, shared.idle_holder_seconds, usage_days))
