"""uvicorn's server, extended: it ends in time, with status 0 after a signal or with RESTART."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from uvicorn import Config, Server

from agent.server.signals import handled_signals

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from types import FrameType

    from agent.server.early import EarlyApp
    from agent.server.file_shortage import FileShortage
    from agent.server.handshakes import Handshakes
    from agent.server.service_manager import ServiceManager

RESTART = 75  # EX_TEMPFAIL of sysexits.h
FAULT = 1
logger = logging.getLogger(__name__)


class RestartRequest:
    """Ends the server like SIGTERM, but with status RESTART, so that its supervisor starts the agent again.

    To be called in the main thread.
    """

    def __init__(self) -> None:
        self.is_made = False

    def __call__(self, why: str) -> None:
        """Request the restart; `reason` has no full stop."""
        logger.warning("%s: the agent ends with status %d, to be started again", why, RESTART)
        self.is_made = True
        signal.raise_signal(signal.SIGTERM)


class AgentServer(Server):
    """uvicorn's server, which ends in order at a signal and does not raise it again."""

    start_grace = 0.5  # seconds that an unfinished start gets when a signal comes
    start_pause = 0.05  # seconds between two looks, during the start, whether a signal has come
    # Seconds at most; uvicorn's ten ticks a second cost as much as a GPU that is watched.
    tick_interval = 1.0

    def __init__(
        self,
        config: Config,
        *,
        exit_deadline: float = 0,
        end: Callable[[int], object] | None = None,
        restart: RestartRequest | None = None,
        manager: ServiceManager | None = None,
        handshakes: Handshakes | None = None,
        early: EarlyApp | None = None,
        shortage: FileShortage | None = None,
    ) -> None:
        """`manager` is notified when the server serves and when it ends.

        With `handshakes` the server speaks TLS.

        With `shortage` it looks with each tick whether files can be opened for connections.

        It makes the app of `early`, which is the app of `config`, and accepts before. None: the app is there.

        `end(status)` is called `exit_deadline` seconds after the first signal if the server runs then.

        It must end the process from within a signal handler, whatever else runs. None: no deadline.
        """
        super().__init__(config)
        self.status = 0  # the exit status
        self._restart = restart
        self._manager = manager
        self._handshakes = handshakes
        self._early = early
        self._shortage = shortage
        self._accepting: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None  # None: it does not run yet
        self._exits = asyncio.Event()
        self._exit_deadline = exit_deadline
        self._end = end

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Runs until a signal. Raises SystemExit(3) if the app does not start."""
        try:
            super().run(sockets)
        finally:
            if self._end is not None:  # an exception from here on has its own status
                signal.setitimer(signal.ITIMER_REAL, 0)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        with handled_signals(self.handle_exit):
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  a signal handler's shape
        """Unlike in uvicorn, a second Ctrl-C changes nothing, because a shell and `uv run` each send one."""
        if not self.should_exit and self._restart is not None and self._restart.is_made:
            self.status = RESTART
        end = self._end
        if end is not None and not self.should_exit:
            # An interval timer, not a thread: a signal handler may run while a lock of `threading` is held.
            signal.signal(signal.SIGALRM, lambda *_: end(self.status))
            signal.setitimer(signal.ITIMER_REAL, self._exit_deadline)
        if self._manager is not None and not self.should_exit:
            self._manager.stops()
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._exits.set)  # a handler may run while the loop waits

    async def main_loop(self) -> None:
        """Ticks until it is to end: at a signal at once, else (`should_exit`) with the next tick."""
        interval = min(self.tick_interval, self._manager.tick_interval if self._manager else math.inf)
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await self._exits.wait()

    async def on_tick(self, counter: int) -> bool:
        """Called once a second, or more often, from when the app has started."""
        if self._manager is not None:
            self._manager.serves()
        if self._shortage is not None:
            self._shortage.look()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts; a signal that comes first cancels the rest of the start."""
        self._loop = asyncio.get_running_loop()
        starting = asyncio.create_task(self._start(sockets or []))
        while not starting.done() and not self.should_exit:
            await super().on_tick(0)  # the date that early answers carry
            await asyncio.wait([starting], timeout=self.start_pause)
        await asyncio.wait([starting], timeout=self.start_grace)
        if self._early is not None:
            await self._early.give_up()
        if not starting.done():
            starting.cancel()
        elif (status := starting.result()) is not None:
            sys.exit(status)

    async def _start(self, sockets: list[socket.socket]) -> Any:
        """The exit status of a start that has failed, else None."""
        try:
            if self._early is None:
                await super().startup([])
                self.servers = await self._accept(sockets)
            else:
                servers = await self._accept(sockets)
                await self._early.make()
                await super().startup([])  # which believes that there are none
                self.servers = servers
                self._early.complete()
        except SystemExit as failed:  # raised in a task, it would end the event loop at once
            return failed.code
        return None

    async def _accept(self, sockets: list[socket.socket]) -> list[asyncio.Server]:
        """From here on; uvicorn's own way would bound no handshakes."""
        if self._handshakes is None:
            create, backlog = asyncio.get_running_loop().create_server, self.config.backlog
            return [await create(self._make_protocol, sock=each, backlog=backlog) for each in sockets]
        for listener in sockets:
            task = asyncio.create_task(self._handshakes.accept(listener, self._make_protocol))
            task.add_done_callback(self._end_without)
            self._accepting.append(task)
        return []

    def _end_without(self, accepting: asyncio.Task[None]) -> None:
        """End an agent that no longer accepts connections, so that it is started again."""
        if not accepting.cancelled() and (fault := accepting.exception()) is not None:
            logger.error("The agent no longer accepts connections", exc_info=fault)
            self.should_exit = True
            self._exits.set()
            self.status = FAULT

    def _make_protocol(self) -> asyncio.Protocol:
        """The protocol of a connection, made as in uvicorn."""
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # as in uvicorn
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        await super().shutdown(sockets)
