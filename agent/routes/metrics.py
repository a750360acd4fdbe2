"""GET /metrics"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from agent.http.endpoint import Access, Endpoint
from agent.http.negotiation import best_type
from agent.http.openapi import Tag
from agent.http.parameters import CurrentSnapshot, Shared  # noqa: TC001  (FastAPI reads them)
from agent.readings.threads import in_thread
from agent.views.prometheus import OPENMETRICS, TEXT, AgentHealth, Exposition

router = APIRouter(tags=[Tag.MONITORING])
ENDPOINT = Endpoint(router, access=Access.METRICS_TOKEN)

CONTENT_TYPES = {content_type.partition(";")[0]: content_type for content_type in (TEXT, OPENMETRICS)}


async def the_media_type(accept: Annotated[str, Header(include_in_schema=False)] = "") -> str:
    """The format that the client prefers."""
    return best_type(accept, tuple(CONTENT_TYPES))


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
) -> Response:
    """Every value by name, unit and GPU; an unknown value is absent. Without a driver the status is 200 too.

    The text is made in a thread, one at a time: for many GPUs it takes milliseconds, during which streams go
    on.
    """
    process = await in_thread(shared.read_agent)  # it counts open files, one by one
    exposition = Exposition(
        snapshot,
        idle_after_seconds=shared.idle_holder_seconds,
        processes=shared.settings.metrics_processes,
        nvlinks=shared.settings.metrics_nvlink,
        agent=AgentHealth(
            process=process,
            streams=shared.open_streams,
            max_streams=shared.settings.max_streams,
            late_samples=shared.sampler.late_samples,
            log_lines_dropped=shared.dropped_log_lines(),
            token_file=shared.tokens.file_health,
            state=shared.store.reading if shared.store is not None else None,
        ),
    )
    content_type = CONTENT_TYPES[media_type]
    # Shielded: else the next one would begin beside a thread that nobody waits for any more.
    text = await asyncio.shield(
        in_thread(partial(exposition.text, content_type), limiter=shared.render_limiter)
    )
    return Response(text, media_type=content_type, headers={"Vary": "Accept"})
