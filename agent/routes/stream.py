"""GET /gpu/stream"""

from __future__ import annotations

import contextlib
import random
from itertools import chain
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from agent.http.authentication import ADMISSION_KEY
from agent.http.endpoint import EVENT_STREAM, Access, Endpoint
from agent.http.errors import AgentError
from agent.http.negotiation import names_type
from agent.http.openapi import API_KEY, Tag
from agent.http.parameters import Indices, Shared, driver_of, select
from agent.http.web import BUILD, BUILD_HEADER
from agent.views.gpu import StreamEvent, error_view

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from agent.http.authentication import Admission
    from agent.http.shared_state import SharedState
    from agent.readings import Snapshot

router = APIRouter(tags=[Tag.GPUS])
ENDPOINT = Endpoint(router, access=Access.API_KEY, answer=StreamEvent, failures=(503,))

# Seconds until an EventSource connects again: between these two, so that a thousand viewers of a restarted
# agent do not come back in the same second.
RETRY = (8.0, 12.0)
HEARTBEAT = b": nothing new\n\n"  # a comment, which EventSource skips
HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", BUILD_HEADER: BUILD}
Interval = Annotated[
    float | None,
    Query(
        ge=0.5,
        le=60,
        allow_inf_nan=False,
        description="seconds between events; default: DEFAULT_STREAM_INTERVAL",
    ),
]


class EventStream(StreamingResponse):
    """A response of Server-Sent Events, which counts as an open stream.

    Raises TryAgainLater above MAX_STREAMS.
    """

    media_type = EVENT_STREAM

    def __init__(
        self, shared: SharedState, interval: float, indices: frozenset[int] | None, *, begin: bytes = b""
    ) -> None:
        super().__init__((), headers=HEADERS)
        self._shared = shared
        self._interval = interval
        self._indices = indices
        self._begin = begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        admission: Admission = scope[ADMISSION_KEY]
        self._is_over = admission.is_withdrawn
        with self._shared.stream():
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Like the inherited method, without a generator in between: it runs a thousand times a second."""
        shared = self._shared
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if self._begin:
            await send({"type": "http.response.body", "body": self._begin, "more_body": True})
        async with contextlib.aclosing(
            shared.sampler.watch(self._interval, shared.settings.stream_heartbeat, self._is_over)
        ) as snapshots:
            async for snapshot in snapshots:
                event = HEARTBEAT if snapshot is None else await _event(shared, snapshot, self._indices)
                await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@router.get(
    "/gpu/stream",
    summary="The same as /gpu, pushed by Server-Sent Events",
    status_code=200,
    response_class=EventStream,
    dependencies=API_KEY,
    responses={
        200: {
            "description": "one object in each event",
            "headers": {
                BUILD_HEADER: {
                    "description": "hash of the files of the agent's page, as in /summary",
                    "schema": {"type": "string"},
                }
            },
        }
    },
)
async def gpu_stream(
    shared: Shared,
    idx: Indices,
    interval: Interval = None,
    accept: Annotated[tuple[str, ...], Header(include_in_schema=False)] = (),
) -> EventStream:
    """One event at once, then one for each `interval`, with the nearest sample.

    Each event is `data: {json}` with the object of `/gpu`. If Accept names `text/event-stream`, as an
    EventSource does, the stream first says when to reconnect: `retry: 10000`, in milliseconds, ± 20 %.

    While there is no driver, `status` of the events is `error`, and the stream goes on.
    """
    snapshot = await shared.sampler.latest()
    if snapshot.driver is not None:
        select(snapshot.gpus, idx)  # with a driver, an index that does not exist is the client's fault
    return EventStream(
        shared,
        interval or shared.settings.default_stream_interval,
        idx,
        begin=_retry() if names_type(",".join(accept), EVENT_STREAM) else b"",
    )


def _retry() -> bytes:
    """A block without an event: milliseconds until the client reconnects. Without it the browser chooses."""
    seconds = random.uniform(*RETRY)  # noqa: S311  (it is no secret)
    return b"retry: %d\n\n" % round(seconds * 1000)


async def _event(shared: SharedState, snapshot: Snapshot, indices: frozenset[int] | None) -> bytes:
    """The bytes of the event, made once for all streams of the same GPUs."""
    json = shared.json_of(snapshot)
    event = json.event(indices)
    if event is None:
        try:
            pieces = json.gpu(driver_of(snapshot), select(snapshot.gpus, indices), detail=False)
            event = await shared.time_slices.join(chain((b"data: ",), pieces, (b"\n\n",)))
        except AgentError as error:
            event = f"data: {error_view(snapshot, error.message).model_dump_json()}\n\n".encode()
        event = json.keep_event(indices, event)
    return event
