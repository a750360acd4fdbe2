"""TLS connections are accepted until the end, and few handshakes begin in one turn of the event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import Counter
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent.http.turnstile import AT_ONCE
from agent.server.handshakes import Certificate, Handshakes
from agent.settings.tls_pair import TlsPair
from tests.server.test_handshakes import HALF_A_HELLO
from tests.support.certificates import made_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from ssl import SSLContext
    from typing import NoReturn

pytestmark = pytest.mark.anyio

DEADLINE = 10.0  # seconds until a test gives up


class Shown:
    """A certificate that notes in which turn of the event loop each handshake takes it."""

    def __init__(self, folder: Path) -> None:
        made = made_certificate(folder)
        self._certificate = Certificate(TlsPair(str(made.certificate), str(made.key)))
        self.turn = 0
        self.turns: list[int] = []

    @property
    def context(self) -> SSLContext:
        self.turns.append(self.turn)
        return self._certificate.context

    async def until_taken(self, times: int) -> None:
        async with asyncio.timeout(DEADLINE):
            while len(self.turns) < times:
                self.turn += 1
                await asyncio.sleep(0)


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return Shown(tmp_path)


@asynccontextmanager
async def accepting(
    listener: socket.socket, shown: Shown, kind: type[Handshakes] = Handshakes
) -> AsyncIterator[Handshakes]:
    handshakes = kind(shown)  # type: ignore[arg-type]  # all that handshakes take of a certificate
    task = asyncio.create_task(handshakes.accept(listener, asyncio.Protocol))
    try:
        yield handshakes
        assert not task.done(), "it accepts until it is cancelled"
    finally:
        task.cancel()


def greeting(listener: socket.socket, stack: ExitStack) -> socket.socket:
    """A client that has begun its handshake, and does not go on."""
    client = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=DEADLINE))
    client.sendall(HALF_A_HELLO)
    client.setblocking(False)
    return client


async def test_few_handshakes_of_a_crowd_begin_in_one_turn_of_the_loop(shown: Shown) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        for _ in range(3 * AT_ONCE):
            greeting(listener, stack)
        async with accepting(listener, shown):
            await shown.until_taken(3 * AT_ONCE)
    assert max(Counter(shown.turns).values()) <= AT_ONCE


async def test_handshakes_in_progress_end_when_accepting_ends(shown: Shown) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        client = greeting(listener, stack)
        async with accepting(listener, shown), asyncio.timeout(DEADLINE / 2):
            await shown.until_taken(1)
        async with asyncio.timeout(DEADLINE / 2):
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""


async def test_a_handshake_that_has_ended_is_forgotten(shown: Shown) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with accepting(listener, shown) as handshakes, asyncio.timeout(DEADLINE):
            with ExitStack() as stack:
                greeting(listener, stack)
                await shown.until_taken(1)
                assert len(handshakes.under_way) == 1
            while handshakes.under_way:  # noqa: ASYNC110  (a turn of the event loop ends it)
                await asyncio.sleep(0)


class Impatient(Handshakes):
    patience = 0.0


class ForOne(Impatient):
    at_once = 1


@pytest.mark.parametrize(("kind", "goes_on"), [(Impatient, True), (ForOne, False)])
async def test_a_slow_handshake_continues_while_there_is_room(
    shown: Shown, kind: type[Handshakes], goes_on: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        greeting(listener, stack)
        async with accepting(listener, shown, kind) as handshakes:
            await shown.until_taken(1)
            for _ in range(100):
                await asyncio.sleep(0)
            assert bool(handshakes.under_way) is goes_on


class Full(socket.socket):
    """Of a process that has as many open files as it may."""

    tried = 0

    def accept(self) -> NoReturn:
        self.tried += 1
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


async def test_accepting_logs_an_error_and_retries_when_no_file_can_be_opened(
    shown: Shown, caplog: pytest.LogCaptureFixture
) -> None:
    assert Handshakes.pause == 1
    with Full(socket.AF_INET, socket.SOCK_STREAM) as listener:
        async with accepting(listener, shown):
            for _ in range(10):
                await asyncio.sleep(0)
    assert listener.tried == 1
    assert caplog.messages == ["No connection can be accepted: Too many open files"]


class Persistent(Handshakes):
    pause = 0.0


async def test_accepting_goes_on_after_its_pause(shown: Shown) -> None:
    with Full(socket.AF_INET, socket.SOCK_STREAM) as listener:
        async with accepting(listener, shown, Persistent):
            for _ in range(10):
                await asyncio.sleep(0)
    assert listener.tried > 1
