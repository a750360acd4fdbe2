"""Floor: imports the same libraries, and has one FastAPI route without logic."""

from __future__ import annotations

from importlib import import_module

import dotenv.parser
import httptools
import nvitop
import psutil
import pynvml
import uvloop
from fastapi_offline import FastAPIOffline

from benchmarks.programs import serving, simulated

LIBRARIES = (dotenv.parser, httptools, nvitop, psutil, pynvml, uvloop)

app = FastAPIOffline()


@app.get("/server1/status")
async def status() -> dict[str, str]:
    """A constant answer."""
    return {"status": "ok"}


if __name__ == "__main__":
    parser = serving.options()
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--with-agent", action="store_true", help="also import the agent's own modules")
    given, rest = parser.parse_known_args()
    if given.with_agent:
        for module in ("agent.cli", "agent.app", "agent.server.agent_server", "agent.server.protocol"):
            import_module(module)
    simulated.install(simulated.options().parse_args(rest))
    serving.serve(app, given)
