"""The app before it is made: most of a start is spent on what /health does not need."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from starlette.responses import Response

from agent.http.errors import NO_STORE, TryAgainLater, response_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/health"
ALIVE = b'{"status":"ok"}'
ALIVE_SIMULATED = b'{"status":"ok","simulated":true}'
LONGEST = 30.0  # seconds of a start: after them it is taken for one that hangs, and /health waits as well
PATIENCE = 30.0  # seconds that a request waits for the app
MAX_WAITING = 256  # requests
NOT_STARTED = response_to(TryAgainLater("The agent has not started; try again later"))


class EarlyApp:
    """Answers /health while the app is made, and lets every other request wait for the app.

    Only the plain GET of a supervisor: what has a query, or comes from a page of another origin, waits as
    well. The answer is that of agent/routes/health.py, which is open to all; tests/server/test_early.py
    compares them. A request that has waited for too long, and one too many, is answered 503.
    """

    def __init__(
        self,
        make: Callable[[], ASGIApp],
        *,
        prefix: str,
        simulated: bool,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`make` makes the app, once, in a thread; a request waits for it `patience` seconds at most."""
        self._patience = patience
        self._clock = clock
        self._begun_at = clock()
        self._waiting = 0
        self._make = make
        self._path = prefix + PATH
        self._alive = Response(ALIVE_SIMULATED if simulated else ALIVE, media_type="application/json")
        self._alive.raw_headers.extend(NO_STORE)
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

    async def give_up(self) -> None:
        """The start has failed or ends early: who waits is answered 503. Does nothing after `complete`."""
        if not self._is_complete.is_set():
            self._app = NOT_STARTED
            self._is_complete.set()
            while self._waiting:  # noqa: ASYNC110  (a turn of the event loop answers them)
                await asyncio.sleep(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_complete.is_set():
            if self._is_liveness_probe(scope) and self._clock() - self._begun_at < LONGEST:
                await self._alive(scope, receive, send)
                return
            if not await self._is_there():
                await NOT_STARTED(scope, receive, send)
                return
        assert self._app is not None  # noqa: S101  (the server starts it after `make`)
        await self._app(scope, receive, send)

    async def _is_there(self) -> bool:
        """Waits for the app. False: it takes too long, or too many wait."""
        if self._waiting == MAX_WAITING:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                return await self._is_complete.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    def _is_liveness_probe(self, scope: Scope) -> bool:
        request = scope["method"], scope["path"], scope["query_string"]
        return request == ("GET", self._path, b"") and all(name != b"origin" for name, _ in scope["headers"])
