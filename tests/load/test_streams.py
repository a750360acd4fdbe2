"""Many viewers of a real agent process: as many as allowed, slow ones, and misbehaving ones."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks.readers import crowd, raise_limit, soft_limit, streams
from benchmarks.server import PREFIX, SETTINGS, TOKEN, Server, driver, running

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.measures, pytest.mark.anyio]

SECONDS = 10
MIB = 1.0


@contextmanager
def agent(**environ: str) -> Iterator[Server]:
    """An agent with eight GPUs, started with the soft limit of open files that systemd sets."""
    raise_limit()
    with (
        soft_limit(1024),
        running(
            "agent", *driver(gpus=8, pids=[], call_us=0), **SETTINGS, HISTORY_INTERVAL="0", **environ
        ) as server,
    ):
        yield server


async def samples_per_second(server: Server, subscribers: int) -> tuple[float, float]:
    """GPU samples per second, and the ratio of expected events that arrived, with so many streams at 1 s."""
    async with crowd(server.port, streams(subscribers)) as readers:
        assert {reader.status for reader in readers} == {200}
        await asyncio.sleep(3)
        started, before = time.monotonic(), server.counts()["samples"]
        await asyncio.sleep(SECONDS)
        samples = (server.counts()["samples"] - before) / (time.monotonic() - started)
    came = sum(sum(at >= started for at in reader.events) for reader in readers)
    return samples, came / (subscribers * SECONDS)


async def test_a_thousand_streams_cost_the_driver_as_much_as_one_and_get_every_event() -> None:
    """A thousand streams exceed the soft limit of 1,024 files with which the agent was started."""
    with agent() as server:
        alone, _ = await samples_per_second(server, 1)
        hundred, of_hundred = await samples_per_second(server, 100)
        thousand, of_thousand = await samples_per_second(server, 1000)

    assert hundred == pytest.approx(alone, rel=0.05)
    assert thousand == pytest.approx(alone, rel=0.05)
    assert of_hundred >= 0.99
    assert of_thousand >= 0.99


async def test_each_stream_gets_its_events_at_its_own_interval() -> None:
    intervals = {0.5: 28, 1: 14, 2: 7, 7: 2}
    paths = [path for interval in intervals for path in streams(25, interval)]
    with agent() as server:
        async with crowd(server.port, paths) as readers:
            await asyncio.sleep(14.2)  # the first event of each stream arrives at once
            came = [len(reader.events) for reader in readers]

    expected = [1 + events for events in intervals.values() for _ in range(25)]
    assert came == pytest.approx(expected, abs=1)


async def test_one_stream_above_max_streams_is_refused_and_the_others_go_on() -> None:
    with agent(MAX_STREAMS="100") as server:
        async with crowd(server.port, streams(101)) as readers:
            await asyncio.sleep(2.5)

            refused = [reader for reader in readers if reader.status == 503]
            assert len(refused) == 1
            assert b"retry-after: " in refused[0].head.lower()
            assert b'"code":2' in refused[0].head
            assert all(len(reader.events) >= 3 for reader in readers if reader not in refused)


REQUEST = f"GET {PREFIX}/gpu/stream?interval=0.5 HTTP/1.1\r\nHost: a\r\nAuthorization: {TOKEN}\r\n\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


def connected(port: int, sent: str, buffer: int | None = None) -> socket.socket:
    """A connection on which this text was sent."""
    client = socket.socket()
    if buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", port))
    client.sendall(sent.encode())
    return client


async def misbehave(port: int) -> None:
    """Twenty clients that never read, twenty that read a byte at a time, twenty that leave within an event,
    and five hundred that do not end their request."""
    stalled = [connected(port, REQUEST, 4096) for _ in range(20)]
    trickling = [connected(port, REQUEST, 4096) for _ in range(20)]
    leaving = [connected(port, REQUEST) for _ in range(20)]
    unfinished = [connected(port, "GET / HTTP/1.1\r\nHost:") for _ in range(500)]
    await asyncio.sleep(1)
    for client in leaving:
        client.recv(100)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
    for _ in range(3):
        for client in trickling:
            client.recv(1)
        await asyncio.sleep(1)
    for client in (*stalled, *trickling, *unfinished):
        client.close()


async def test_misbehaving_readers_do_not_affect_others_and_leak_nothing() -> None:
    with agent() as server:
        async with crowd(server.port, streams(10)) as polite:
            await asyncio.sleep(2)
            files, tasks = server.open_files(), server.tasks()
            resident = []
            for _ in range(3):
                started = time.monotonic()
                await misbehave(server.port)
                seconds = int(time.monotonic() - started)
                for reader in polite:
                    events = [at for at in reader.events if at >= started]
                    assert len(events) >= seconds - 1, "the others notice nothing"
                await settle(server, files)
                resident.append(server.resident_mib())
            assert server.open_files() <= files
            assert server.tasks() <= tasks

    assert resident[2] - resident[0] <= 2 * MIB


async def settle(server: Server, files: int) -> None:
    """Wait until the agent has closed the connections that its clients have left."""
    for _ in range(225):  # 45 s: a reader that stopped is dropped after half a minute
        if server.open_files() <= files:
            return
        await asyncio.sleep(0.2)
