"""Requests that make the event loop compute take turns, so that it never computes long at a stretch."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

from agent.http.route_path import get_route_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

AT_ONCE = 8  # requests let through in one turn of the loop
SLICE = 0.004  # seconds at a stretch for an answer that is made in pieces


class Turnstile:
    """Lets a few through in each turn of the event loop, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._passed = 0  # in this turn of the loop

    async def wait(self) -> None:
        """Until it is one's turn; at once if nobody is in front."""
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
            if not turn.done():  # a client that hangs up may have cancelled it
                turn.set_result(None)
                self._passed += 1
        if self._passed:
            asyncio.get_running_loop().call_soon(self._next_turn)


class InTurn:
    """Lets requests pass a turnstile; a GET of a path whose answers are kept looks after itself."""

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
    """Shares out the time of the event loop among all who make something in pieces."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._at_work = asyncio.Lock()  # its queue is in order of arrival

    async def join(self, pieces: Iterable[bytes]) -> bytes:
        """The pieces together; each is made when its time has come. Can be cancelled between two slices."""
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
            await asyncio.sleep(0)  # the loop sees to everything else, whoever works next
