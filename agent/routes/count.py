"""GET /count"""

from __future__ import annotations

from fastapi import APIRouter

from agent.http.endpoint import Endpoint
from agent.http.openapi import Tag
from agent.http.parameters import CurrentSnapshot, driver_of
from agent.views.envelope import Success, success

router = APIRouter(tags=[Tag.GPUS])
ENDPOINT = Endpoint(router, failures=(500, 503))


@router.get("/count", summary="Number of visible GPUs")
async def count(snapshot: CurrentSnapshot) -> Success[int]:
    """The number of GPUs that the driver counts, readable or not."""
    return success(driver_of(snapshot).gpu_count)
