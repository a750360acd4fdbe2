"""What a crowd costs other clients: `/health` while a thousand clients make expensive requests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks import machine
from benchmarks.readers import raise_limit
from benchmarks.server import PREFIX, ROOT, SETTINGS, TOKEN, Server, driver, running, sleepers
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TITLE = (
    "crowd: the slowest /health while 1,000 clients at once ask 1,000 different questions; 4 processes a GPU"
)
CLIENTS = 1000
GPUS = (8, 128)
SETTLE = 3.0  # seconds until every GPU has been read
DEADLINE = 120.0  # seconds within which all requests must be answered
QUARTER_SECOND = Goal("value", at_most=250)


def some_of(number: int) -> str:
    """A set of the first eight GPUs: a different one for each number from 1 to 255."""
    return ",".join(str(index) for index in range(8) if (number % 255 + 1) >> index & 1)


QUESTIONS: dict[str, Callable[[int], str]] = {
    "/gpu?detail=1&x=N": lambda n: f"/gpu?detail=1&x={n}",
    "/gpu?detail=1&idx=…": lambda n: f"/gpu?detail=1&idx={some_of(n)}",
    "/status?mig=…&process=…&idx=…": lambda n: (
        f"/status?mig={n % 2}&process={('', 'C', 'G')[n % 3]}&idx={some_of(n)}"
    ),
    "/history?seconds=N": lambda n: f"/history?seconds={3600 - n}",
    "/processes?user=N": lambda n: f"/processes?user={n}",
    "/free?count=…&min_free_memory=N": lambda n: f"/free?count={n % 128 + 1}&min_free_memory={n}",
    "/metrics?x=N": lambda n: f"/metrics?x={n}",
    "/openapi.json?x=N": lambda n: f"/openapi.json?x={n}",
    "a query of 7 KiB": lambda n: f"/count?{n}&{'a=%41&' * 1150}",
}


def run(*, quick: bool) -> Iterator[Row]:
    """A new agent for each kind of request."""
    raise_limit()
    clients, gpu_counts = (50, GPUS[:1]) if quick else (CLIENTS, GPUS)
    for gpus in gpu_counts:
        with sleepers(4 * gpus) as pids:
            for name, path in QUESTIONS.items():
                with running("agent", *driver(gpus=gpus, pids=pids, call_us=0), **SETTINGS) as agent:
                    time.sleep(SETTLE)
                    with probing(agent) as worst:
                        took, refused = asyncio.run(
                            request_all(agent, [path(number) for number in range(clients)])
                        )
                yield Row(f"{gpus} GPUs, {name}", worst[0] * 1000, "ms", goal=QUARTER_SECOND)
                yield Row(f"{gpus} GPUs, {name}: all answered", took, "s")
                if refused:  # requests for slow answers wait in a short queue
                    yield Row(f"{gpus} GPUs, {name}: of them with 503", refused, "")


@contextmanager
def probing(agent: Server) -> Iterator[list[float]]:
    """Another process requests `/health` meanwhile; at the end the list has the slowest answer in seconds."""
    worst: list[float] = []
    probe = [sys.executable, "-m", "benchmarks.programs.probe", f"{agent.url}{PREFIX}/health"]
    popen = subprocess.Popen(  # noqa: S603  (our own program)
        machine.pinned(machine.client_core(), *probe), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        time.sleep(0.5)  # the process has begun
        yield worst
    finally:
        said, _ = popen.communicate(b"", timeout=60)
    worst.append(float(said))


async def request_all(agent: Server, paths: list[str]) -> tuple[float, int]:
    """Seconds until all are answered, and the number of 503 answers; each has a connection of its own."""
    started = time.monotonic()
    async with asyncio.timeout(DEADLINE):
        answered = await asyncio.gather(*(_request(agent.port, path) for path in paths))
    return time.monotonic() - started, answered.count(503)


async def _request(port: int, path: str) -> int:
    """The status of the answer: 200, or 503 with Retry-After."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    request = (
        f"GET {PREFIX}{path} HTTP/1.1\r\nHost: agent\r\nAuthorization: {TOKEN}\r\nConnection: close\r\n\r\n"
    )
    writer.write(request.encode())
    head = await reader.readuntil(b"\r\n\r\n")
    while await reader.read(2**18):
        pass
    writer.close()
    status = int(head.split(b" ", 2)[1])
    if status != 200 and not (status == 503 and b"\r\nretry-after: " in head.lower()):
        raise RuntimeError(f"{path[:100]} was answered {head!r}")
    return status
