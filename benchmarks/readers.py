"""Many readers of streams in one process, as cheap as possible, because the server is measured."""

from __future__ import annotations

import asyncio
import resource
import time
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from benchmarks.server import PREFIX, TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

EVENT = b"data: {"
CONNECT_DEADLINE = 60.0  # seconds


class Reader(asyncio.Protocol):
    """One open stream: the time at which each event began to arrive, and the head of the answer."""

    def __init__(self, path: str) -> None:
        self.events: list[float] = []  # seconds of the monotonic clock
        self.head = b""
        self.begun = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self._path = path
        self._tail = b""  # the first bytes of an event may arrive in two parts

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        self.transport = cast("asyncio.Transport", transport)
        request = f"GET {self._path} HTTP/1.1\r\nHost: agent\r\nAuthorization: {TOKEN}\r\n\r\n"
        self.transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        """Record the time of each event, and drop the data."""
        if not self.head:
            self.head = data[:400]
            self.begun.set()
        seen = self._tail + data
        now = time.monotonic()
        self.events.extend([now] * seen.count(EVENT))
        self._tail = seen[-(len(EVENT) - 1) :] if not seen.endswith(EVENT) else b""

    def connection_lost(self, _exc: Exception | None) -> None:
        """Release whoever waits for the answer."""
        self.begun.set()

    @property
    def status(self) -> int:
        """The status of the answer; 0 if there is none."""
        return int(self.head.split(b" ", 2)[1]) if self.head else 0

    def gaps(self, since: float) -> list[float]:
        """Seconds between two events, for events after this moment."""
        events = [at for at in self.events if at >= since]
        return [later - earlier for earlier, later in pairwise(events)]


def _itself(reader: Reader) -> Reader:
    return reader


@asynccontextmanager
async def crowd(port: int, paths: list[str]) -> AsyncIterator[list[Reader]]:
    """Opens a stream for each path and waits until all are answered; closes them at the end."""
    loop = asyncio.get_running_loop()
    readers = [Reader(path) for path in paths]
    try:
        async with asyncio.timeout(CONNECT_DEADLINE):
            for start in range(0, len(readers), 100):  # a burst that fits into any backlog
                batch = readers[start : start + 100]
                for reader in batch:
                    await loop.create_connection(partial(_itself, reader), "127.0.0.1", port)
                await asyncio.gather(*(reader.begun.wait() for reader in batch))
        yield readers
    finally:
        for reader in readers:
            if reader.transport is not None:
                reader.transport.abort()


def streams(count: int, interval: float = 1) -> list[str]:
    """The paths of this many streams."""
    return [f"{PREFIX}/gpu/stream?interval={interval:g}"] * count


@contextmanager
def soft_limit(files: int) -> Iterator[None]:
    """Programs that are started in this context have this soft limit of open files, as under systemd."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def raise_limit() -> None:
    """Raise this process's soft limit of open files to the hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
