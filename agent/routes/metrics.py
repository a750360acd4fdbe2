"""GET /metrics"""

from __future__ import annotations

import gzip
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Response

from agent.http.endpoint import Access, Endpoint
from agent.http.negotiation import accepts_gzip, best_type
from agent.http.openapi import Tag
from agent.http.parameters import CurrentSnapshot, Shared  # noqa: TC001  (FastAPI reads them)
from agent.views.prometheus import OPENMETRICS, TEXT, AgentHealth, Exposition

router = APIRouter(tags=[Tag.MONITORING])
ENDPOINT = Endpoint(router, access=Access.METRICS_TOKEN)

CONTENT_TYPES = {content_type.partition(";")[0]: content_type for content_type in (TEXT, OPENMETRICS)}
COMPRESSION = 5  # as small as it gets to within a few percent, in half of the time


async def the_media_type(accept: Annotated[str, Header(include_in_schema=False)] = "") -> str:
    """The format that the client likes best."""
    return best_type(accept, tuple(CONTENT_TYPES))


async def takes_gzip(accept_encoding: Annotated[str, Header(include_in_schema=False)] = "") -> bool:
    """Whether to compress."""
    return accepts_gzip(accept_encoding)


@router.get(
    "/metrics",
    summary="Everything for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text, or OpenMetrics for a client that accepts it",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        }
    },
)
async def metrics(
    shared: Shared,
    snapshot: CurrentSnapshot,
    media_type: Annotated[str, Depends(the_media_type)],
    packed: Annotated[bool, Depends(takes_gzip)],
) -> Response:
    """Every value by name, unit and GPU; what is unknown is absent. 200 also without a driver, and says so.

    Made in a thread, one at a time: the text of many GPUs takes milliseconds, in which streams go on.
    """
    exposition = Exposition(
        snapshot,
        idle_after_seconds=shared.idle_holder_seconds,
        processes=shared.settings.metrics_processes,
        agent=AgentHealth(
            process=shared.read_agent(),
            streams=shared.open_streams,
            max_streams=shared.settings.max_streams,
            late_samples=shared.sampler.late_samples,
            log_lines_dropped=shared.dropped_log_lines(),
            token_file=shared.tokens.file_health,
        ),
    )
    content_type = CONTENT_TYPES[media_type]
    headers = {"Vary": "Accept, Accept-Encoding"}
    if packed:
        headers["Content-Encoding"] = "gzip"

    def made() -> bytes:
        text = exposition.text(content_type)
        return gzip.compress(text, COMPRESSION, mtime=0) if packed else text

    body = await to_thread.run_sync(made, limiter=shared.render_limiter)
    return Response(body, media_type=content_type, headers=headers)
