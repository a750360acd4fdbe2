"""Floor: a raw ASGI app that sends the same bytes to every open stream once a second."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.programs import serving

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def fan_out(event: bytes, interval: float = 1.0) -> ASGIApp:
    """The smallest possible app with streams: each stream sleeps until the next full interval."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream")],
            }
        )
        more = "stream" in scope["path"]
        await send({"type": "http.response.body", "body": event, "more_body": more})
        while more:
            await asyncio.sleep(interval - time.monotonic() % interval)
            await send({"type": "http.response.body", "body": event, "more_body": True})

    return app


if __name__ == "__main__":
    parser = serving.options()
    parser.add_argument("--event", type=Path, required=True, help="file with the event")
    given = parser.parse_args()
    serving.serve(fan_out(given.event.read_bytes()), given)
