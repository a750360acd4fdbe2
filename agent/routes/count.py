"""GET /count"""

from __future__ import annotations

from fastapi import APIRouter, Response

from agent.http.endpoint import Endpoint
from agent.http.json_response import model_response
from agent.http.openapi import Tag
from agent.http.parameters import CurrentSnapshot, driver_of
from agent.views.envelope import success

router = APIRouter(tags=[Tag.GPUS])
ENDPOINT = Endpoint(router, data=int, failures=(500, 503))


@router.get("/count", summary="Number of visible GPUs")
async def count(snapshot: CurrentSnapshot) -> Response:
    """The number of GPUs that the driver counts, readable or not."""
    return model_response(success(driver_of(snapshot).gpu_count))
