"""GET /summary"""

from __future__ import annotations

from fastapi import APIRouter, Response

from agent.derive.free import Wish
from agent.http.endpoint import Endpoint
from agent.http.json_response import json_response
from agent.http.openapi import Tag
from agent.http.parameters import CurrentSnapshot, Shared, driver_of
from agent.http.web import BUILD
from agent.views.summary import HostSummary, summary_json

router = APIRouter(tags=[Tag.MONITORING])
ENDPOINT = Endpoint(router, data=HostSummary, failures=(500, 503))


@router.get("/summary", summary="The host at a glance")
async def summary(shared: Shared, snapshot: CurrentSnapshot) -> Response:
    """One small answer for overviews and home dashboards: verdicts, what to do, values, users of each GPU.

    Which GPUs are free is as of this sample: a GPU that is given to a waiting request is shown as free until
    the next sample.
    """
    driver_of(snapshot)
    offer = shared.queue.offer_now(Wish(count=len(snapshot.gpus)), snapshot)
    return await json_response(shared, summary_json(snapshot, {gpu.index for gpu in offer.gpus}, build=BUILD))
