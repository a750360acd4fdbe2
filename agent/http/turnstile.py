"""Limits how long the event loop computes without a pause: expensive requests take turns."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

from agent.http.route_path import get_route_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

AT_ONCE = 8  # requests that start in one turn of the loop
SLICE = 0.004  # seconds of computing before the loop does other work


class Turnstile:
    """Lets a few requests start in each turn of the event loop, in order of arrival."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._passed = 0  # in this turn of the loop

    async def wait(self) -> None:
        """Wait for one's turn; returns at once if nobody waits."""
        loop = asyncio.get_running_loop()
        if not self._passed:
            loop.call_soon(self._next_turn)
        if self._passed < AT_ONCE and not self._waiting:
            self._passed += 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next_turn(self) -> None:
        self._passed = 0
        while self._waiting and self._passed < AT_ONCE:
            turn = self._waiting.popleft()
            if not turn.done():  # a client that disconnected may have cancelled it
                turn.set_result(None)
                self._passed += 1
        if self._passed:
            asyncio.get_running_loop().call_soon(self._next_turn)


class InTurn:
    """Makes requests wait at a turnstile, except a GET of a path whose answers are cached."""

    def __init__(self, app: ASGIApp, *, turnstile: Turnstile, except_paths: Collection[str]) -> None:
        self._app = app
        self._turnstile = turnstile
        self._except_paths = frozenset(except_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not (
            scope["method"] == "GET" and get_route_path(scope) in self._except_paths
        ):
            await self._turnstile.wait()
        await self._app(scope, receive, send)


class TimeSlices:
    """Divides the time of the event loop among all answers that are made in pieces."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._at_work = asyncio.Lock()  # its queue is in order of arrival

    async def join(self, pieces: Iterable[bytes]) -> bytes:
        """The joined pieces; each is made when its time slice has come.

        Can be cancelled between two slices.
        """
        rest = iter(pieces)
        made: list[bytes] = []
        while True:
            async with self._at_work:
                ends_at = self._clock() + SLICE
                for piece in rest:
                    made.append(piece)
                    if self._clock() >= ends_at:
                        break
                else:
                    return b"".join(made)
            await asyncio.sleep(0)  # the loop does all other work before the next slice
