"""How the floors are served: by uvicorn as the agent has it, without the agent's protocol limits."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def options() -> argparse.ArgumentParser:
    """Where to listen."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    return parser


def serve(app: ASGIApp, given: argparse.Namespace) -> None:
    """Until a signal comes."""
    uvicorn.run(
        app,
        host=given.host,
        port=given.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
