"""Many clients that poll: every one is answered, and all of them share the samples."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from benchmarks.server import PREFIX, TOKEN
from tests.load.test_streams import agent, settle

if TYPE_CHECKING:
    from benchmarks.server import Server

pytestmark = [pytest.mark.measures, pytest.mark.anyio]

HEAD = f"GET {PREFIX}/status HTTP/1.1\r\nHost: agent\r\nAuthorization: {TOKEN}\r\n"


async def status_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> bytes:
    """Send a request, read its whole answer, and return the status line."""
    writer.write(f"{head}\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in answer.lower().splitlines() if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    return answer.split(b"\r\n", 1)[0]


async def poll(server: Server, until: float) -> set[bytes]:
    """Poll like one dashboard on one connection, and return every status line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    seen = set()
    while time.monotonic() < until:
        seen.add(await status_line(reader, writer, HEAD))
        await asyncio.sleep(0.1)
    writer.close()
    return seen


@pytest.mark.parametrize("clients", [32, 256])
async def test_many_dashboards_take_no_more_samples_than_one(clients: int) -> None:
    with agent() as server:
        await poll(server, time.monotonic() + 3)
        rates = []
        for number in (1, clients):
            started, before = time.monotonic(), server.counts()["samples"]
            until = started + 10
            seen = await asyncio.gather(*(poll(server, until) for _ in range(number)))
            rates.append((server.counts()["samples"] - before) / (time.monotonic() - started))
            assert set().union(*seen) == {b"HTTP/1.1 200 OK"}

    assert rates[1] == pytest.approx(rates[0], rel=0.15), "of GPUs, per second"


async def test_a_thousand_clients_with_a_connection_each_are_all_answered() -> None:
    gate = asyncio.Semaphore(200)

    async def once(server: Server) -> bytes:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            answer = await status_line(reader, writer, HEAD + "Connection: close\r\n")
            writer.close()
            return answer

    with agent() as server:
        files = server.open_files()
        answers = await asyncio.gather(*(once(server) for _ in range(1000)))
        await settle(server, files)
        assert server.open_files() <= files

    assert set(answers) == {b"HTTP/1.1 200 OK"}
