"""GET /metrics"""

from __future__ import annotations

import gzip

from fastapi import APIRouter, Request, Response

from agent.logs import dropped_lines
from agent.routes.parameters import CurrentAgent, CurrentSnapshot  # noqa: TC001  (FastAPI reads them)
from agent.views.prometheus import OPENMETRICS, TEXT, Exposition

router = APIRouter()

COMPRESSION = 5  # as small as it gets to within a few percent, in half of the time


@router.get(
    "/metrics",
    summary="Everything for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text, or OpenMetrics for who accepts it",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        }
    },
)
def metrics(request: Request, agent: CurrentAgent, snapshot: CurrentSnapshot) -> Response:
    """Every value by name, unit and GPU; what is unknown is absent. 200 also without a driver, and says so.

    Not a coroutine: the text of many GPUs takes milliseconds, in which streams go on.
    """
    content_type = (
        OPENMETRICS if "application/openmetrics-text" in request.headers.get("accept", "") else TEXT
    )
    body = Exposition(
        snapshot,
        idle_after_seconds=agent.settings.idle_holder_minutes * 60,
        processes=agent.settings.metrics_processes,
        streams=agent.open_streams,
        max_streams=agent.settings.max_streams,
        log_lines_dropped=dropped_lines(),
    ).text(content_type)
    headers = {"Vary": "Accept, Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, COMPRESSION, mtime=0)
    return Response(body, media_type=content_type, headers=headers)
