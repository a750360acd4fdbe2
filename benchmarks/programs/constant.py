"""Floor: a raw ASGI app that answers every request with the same bytes; without a body, an idle uvicorn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.programs import serving

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def constant(body: bytes) -> ASGIApp:
    """The smallest possible ASGI app."""
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    parser = serving.options()
    parser.add_argument("--body", type=Path, help="file with the answer")
    given = parser.parse_args()
    serving.serve(constant(given.body.read_bytes() if given.body else b"{}"), given)
