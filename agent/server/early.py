"""The app before it is made: most of a start is spent on what /health does not need."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from agent.http.errors import NO_STORE

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/health"
ALIVE = b'{"status":"ok"}'
ALIVE_SIMULATED = b'{"status":"ok","simulated":true}'


class EarlyApp:
    """Answers /health while the app is made, and lets every other request wait for the app.

    Only the plain GET of a supervisor: what has a query, or comes from a page of another origin, waits as
    well. The answer is that of agent/routes/health.py, which is open to all; tests/server/test_early.py
    compares them.
    """

    def __init__(self, make: Callable[[], ASGIApp], *, prefix: str, simulated: bool) -> None:
        """`make` makes the app, once, in a thread."""
        self._make = make
        self._path = prefix + PATH
        self._alive = ALIVE_SIMULATED if simulated else ALIVE
        self._app: ASGIApp | None = None
        self._is_complete = asyncio.Event()

    async def make(self) -> None:
        """The app, to be started before `complete`. Raises what its making raises."""
        made: Future[ASGIApp] = Future()

        def run() -> None:
            made.set_running_or_notify_cancel()  # from here on nobody can cancel it
            try:
                made.set_result(self._make())
            except BaseException as error:  # raised where it is waited for
                made.set_exception(error)

        # Of no pool: those are waited for at the end, and a signal must end a start that hangs.
        threading.Thread(target=run, name="start", daemon=True).start()
        self._app = await asyncio.wrap_future(made)

    def complete(self) -> None:
        """The app has started: from here on every request is its own."""
        self._is_complete.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_complete.is_set():
            if self._asks_for_life(scope):
                await self._answer(send)
                return
            await self._is_complete.wait()
        assert self._app is not None  # noqa: S101  (the server starts it after `make`)
        await self._app(scope, receive, send)

    def _asks_for_life(self, scope: Scope) -> bool:
        asked = scope["method"], scope["path"], scope["query_string"]
        return asked == ("GET", self._path, b"") and all(name != b"origin" for name, _ in scope["headers"])

    async def _answer(self, send: Send) -> None:
        length = b"%d" % len(self._alive)
        headers = [(b"content-length", length), (b"content-type", b"application/json"), *NO_STORE]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._alive})
