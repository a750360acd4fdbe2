"""The exit status of the server, its notifications, and that it does almost nothing between requests."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn import Config

from agent.server.agent_server import AgentServer, RestartRequest
from agent.server.early import EarlyApp
from tests.support import loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import Receive, Scope, Send

pytestmark = pytest.mark.anyio


class Manager:
    """A service manager that records its notifications."""

    def __init__(self) -> None:
        self.notifications: list[str] = []

    def serves(self) -> None:
        self.notifications.append("serves")

    def stops(self) -> None:
        self.notifications.append("stops")


def server(**options: Any) -> AgentServer:
    return AgentServer(Config(lambda *_: None), **options)


def test_an_interrupted_start_has_half_a_second_to_end_and_a_server_ticks_once_a_second() -> None:
    assert (AgentServer.start_grace, AgentServer.start_pause, AgentServer.tick_interval) == (0.5, 0.05, 1)


async def test_the_end_is_notified_once_even_after_several_signals() -> None:
    manager = Manager()
    one = server(manager=manager)
    assert not await one.on_tick(1)
    for _ in range(2):
        one.handle_exit(signal.SIGTERM, None)
        assert (one.should_exit, one.status, manager.notifications) == (True, 0, ["serves", "stops"])

    assert await one.on_tick(2)


@pytest.mark.parametrize(("made_before", "status"), [(True, 75), (False, 0)])
async def test_the_server_ends_with_status_75_to_be_restarted(made_before: bool, status: int) -> None:
    restart = RestartRequest()
    restart.is_made = made_before
    one = server(restart=restart)
    one.handle_exit(signal.SIGTERM, None)
    restart.is_made = True  # too late: the server is already ending
    one.handle_exit(signal.SIGTERM, None)

    assert one.status == status


@contextmanager
def handled(sig: signal.Signals) -> Iterator[list[int]]:
    """The times that a signal came; its handler and the timer are afterwards as they were."""
    seen: list[int] = []
    before = signal.signal(sig, lambda number, _: seen.append(number))
    try:
        yield seen
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(sig, before)


def test_a_restart_is_a_signal_with_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    restart = RestartRequest()
    assert not restart.is_made
    with handled(signal.SIGTERM) as seen:
        restart("The driver was replaced")
    assert (restart.is_made, seen) == (True, [signal.SIGTERM])
    assert caplog.messages == ["The driver was replaced: the agent ends with status 75, to be started again"]


def test_a_second_signal_does_not_delay_the_exit() -> None:
    ended: list[int] = []
    one = server(exit_deadline=60, end=ended.append)
    with handled(signal.SIGALRM):
        one.handle_exit(signal.SIGTERM, None)
        assert 59 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
        signal.setitimer(signal.ITIMER_REAL, 30)  # as after half of the time
        one.handle_exit(signal.SIGTERM, None)
        assert signal.getitimer(signal.ITIMER_REAL)[0] <= 30
        signal.raise_signal(signal.SIGALRM)
    assert ended == [0]


def test_a_process_whose_server_has_ended_is_not_killed() -> None:
    async def ends_at_once(scope: Scope, receive: Receive, send: Send) -> None:
        signal.raise_signal(signal.SIGTERM)
        await app(scope, receive, send)

    config = Config(ends_at_once, ws="none", lifespan="on", log_config=None)
    with handled(signal.SIGALRM), socket.create_server(("127.0.0.1", 0)) as listener:
        AgentServer(config, exit_deadline=60, end=lambda status: pytest.fail(str(status))).run(
            sockets=[listener]
        )
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


async def fail() -> None:
    raise OSError("no file may be opened")


async def work_for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_server_whose_accept_task_fails_ends_with_status_1() -> None:
    one, accepting = server(), asyncio.create_task(fail())
    await asyncio.wait([accepting])
    one._end_without(accepting)  # noqa: SLF001  (the task calls it at its end)

    assert (one.should_exit, one.status) == (True, 1)


async def test_a_server_whose_accept_task_is_cancelled_has_no_fault() -> None:
    one, accepting = server(), asyncio.create_task(work_for_ever())
    accepting.cancel()
    await asyncio.wait([accepting])
    one._end_without(accepting)  # noqa: SLF001  (as above)

    assert (one.should_exit, one.status) == (False, 0)


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


class Counted(AgentServer):
    ticks = 0
    ticked: asyncio.Event

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        self.ticked.set()
        return await super().on_tick(counter)


@asynccontextmanager
async def ticking(interval: float, **options: Any) -> AsyncIterator[Counted]:
    """A server after its first tick; the test lets it end."""
    server = Counted(Config(app, ws="none", lifespan="on", log_config=None), **options)
    server.tick_interval = interval
    server.ticked = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(10):
            await server.ticked.wait()
            yield server
            await serving


async def test_a_signal_ends_the_server_at_once_between_two_ticks() -> None:
    async with ticking(3600.0) as server:
        await asyncio.sleep(0.3)  # uvicorn's own server would have three ticks in this time
        assert server.ticks == 1
        server.handle_exit(signal.SIGTERM, None)
    assert (server.ticks, server.status) == (2, 0)


async def test_a_nearly_complete_start_is_completed_before_the_exit() -> None:
    seen: list[object] = []

    async def starts_slowly(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        seen.append([name for name, _ in one.server_state.default_headers])
        one.handle_exit(signal.SIGTERM, None)
        await asyncio.sleep(0.1)
        await send({"type": "lifespan.startup.complete"})
        seen.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    one = AgentServer(Config(starts_slowly, ws="none", lifespan="on", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with asyncio.timeout(10):
            await one.serve(sockets=[listener])
    assert seen == [[b"date", b"server"], "lifespan.shutdown"], (
        "early answers have the headers of all answers"
    )


async def test_a_start_that_hangs_is_cancelled_after_a_signal() -> None:
    async def hangs(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        one.handle_exit(signal.SIGTERM, None)
        await work_for_ever()

    one = AgentServer(Config(hangs, ws="none", lifespan="on", log_config=None))
    one.start_grace = 0.01
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with asyncio.timeout(10):
            await one.serve(sockets=[listener])
    await asyncio.sleep(0)
    assert one.status == 0
    assert "AgentServer._start" not in {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]  # all are coroutines


async def test_a_request_that_waits_for_a_start_that_fails_is_answered_503() -> None:
    async def fails(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "It cannot start"})

    may_be_made = threading.Event()
    early = EarlyApp(lambda: fails if may_be_made.wait(10) else app, prefix="", simulated=False)
    one = AgentServer(Config(early, ws="none", lifespan="on", log_config=None), early=early)

    async def ask(port: int) -> int:
        async with loopback.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            asking = asyncio.create_task(client.get("/count"))
            while not one.server_state.connections:  # noqa: ASYNC110  (a turn of the event loop)
                await asyncio.sleep(0)
            assert (await client.get("/health")).status_code == 200
            may_be_made.set()
            return (await asking).status_code

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked = asyncio.create_task(ask(listener.getsockname()[1]))
        with pytest.raises(SystemExit, match="3"):
            await one.serve(sockets=[listener])
        assert await asked == 503


class Failing:
    """Handshakes whose accepting ends with a fault when the test says so."""

    def __init__(self) -> None:
        self.fails = asyncio.Event()

    async def accept(self, *_: object) -> None:
        await self.fails.wait()
        raise OSError("no file may be opened")


async def test_a_server_that_no_longer_accepts_ends_between_two_ticks() -> None:
    failing = Failing()
    async with ticking(3600.0, handshakes=failing) as server:
        failing.fails.set()
    assert server.status == 1


async def test_answers_have_the_date_of_the_last_tick() -> None:
    async with ticking(0.01) as server:
        server.server_state.default_headers = []
        server.ticked.clear()
        await server.ticked.wait()
        assert b"date" in dict(server.server_state.default_headers)
        server.handle_exit(signal.SIGTERM, None)
