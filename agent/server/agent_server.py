"""What uvicorn's server does not do by itself: end with status 0 after a signal, and in time."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from uvicorn import Config, Server

from agent.server.signals import handled_signals

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from types import FrameType


class AgentServer(Server):
    """uvicorn's server, for which a signal is an orderly end: it is not raised again afterwards."""

    start_grace = 0.5  # seconds that a start under way has left when a signal comes

    def __init__(
        self, config: Config, *, exit_deadline: float = 0, end: Callable[[int], object] | None = None
    ) -> None:
        """`end(0)` is called `exit_deadline` seconds after the first signal if the server still runs then.

        It must end the process from within a signal handler, whatever is under way. None: no bound.
        """
        super().__init__(config)
        self._exit_deadline = exit_deadline
        self._end = end

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Runs until a signal. Raises SystemExit(3) if the app does not start."""
        try:
            super().run(sockets)
        finally:
            if self._end is not None:  # what comes now has a status of its own
                signal.setitimer(signal.ITIMER_REAL, 0)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        with handled_signals(self.handle_exit):
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  a signal handler's shape
        """Unlike uvicorn's, a second Ctrl-C cuts nothing short: a shell and `uv run` each send one."""
        end = self._end
        if end is not None and not self.should_exit:
            # An interval timer, not a thread: a signal handler may run while a lock of `threading` is held.
            signal.signal(signal.SIGALRM, lambda *_: end(0))
            signal.setitimer(signal.ITIMER_REAL, self._exit_deadline)
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, unless a signal comes first: then what has not yet started is given up."""
        starting = asyncio.create_task(super().startup(sockets))
        while not starting.done() and not self.should_exit:
            await asyncio.wait([starting], timeout=0.05)
        await asyncio.wait([starting], timeout=self.start_grace)
        if starting.done():
            starting.result()
        else:
            starting.cancel()
