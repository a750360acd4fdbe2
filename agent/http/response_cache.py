"""Bytes already made: the same question about the same Snapshot is answered without making the answer again.

A dashboard on every desk asks the same thing every second. Measured, of a raw ASGI answer's throughput a
typed route under a mount reaches a fifth to a third; what is made once a second may cost what it likes.

An answer is made once per Snapshot, however many ask at the same time: the first starts the making, the
others wait for it. It is given up when every client that waits for it has hung up.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from agent.http.route_path import get_route_path
from agent.http.shared_task import SharedTask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Hashable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from agent.http.shared_state import SharedState
    from agent.http.turnstile import Turnstile
    from agent.readings import Snapshot

# Bounds on memory: a client may invent any number of good questions.
MAX_ANSWERS = 64
MAX_BYTES = 32 * 1024**2
MAX_MAKINGS = 8  # at once; the others wait in order
# An answer longer than this is sent in portions, so that the server holds little of it for a slow reader.
PORTION = 256 * 1024

SNAPSHOT_KEY = "agent.snapshot"  # where a route finds the Snapshot in its scope
HEAD_KEY = "agent.head"  # there if a GET is really a HEAD: nobody will read the body


class CacheKey(Protocol):
    """Makes the canonical question out of a request for one path."""

    headers: frozenset[bytes]  # the only ones that the answer may depend on

    def remembered(self, scope: Scope) -> Hashable | None:
        """The key, if it was made before: that costs next to nothing."""

    def of(self, scope: Scope) -> Awaitable[Hashable | None]:
        """The key; None: the request is wrong, and its route says why."""


@dataclass
class CachedResponse:
    """A finished answer."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def record(self, message: Message) -> None:
        """Take what an app sends."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        """Send it; a new message each time, for middleware further out may write into it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        last = max(len(self.body) - 1, 0) // PORTION * PORTION
        for start in range(0, last, PORTION):
            portion = self.body[start : start + PORTION]
            await send({"type": "http.response.body", "body": portion, "more_body": True})
        await send({"type": "http.response.body", "body": self.body[last:] if last else self.body})


class KeptResponses:
    """Answers about the newest Snapshot asked for; a newer one drops them all.

    Beyond MAX_ANSWERS or MAX_BYTES, those that nobody has asked for longest are forgotten.
    """

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._responses: OrderedDict[Hashable, CachedResponse] = OrderedDict()
        self._bytes = 0

    def get(self, snapshot: Snapshot | None, key: Hashable) -> CachedResponse | None:
        """The answer, if it was made before."""
        response = self._responses.get(key) if snapshot is self._snapshot else None
        if response is not None:
            self._responses.move_to_end(key)
        return response

    def put(self, snapshot: Snapshot | None, key: Hashable, response: CachedResponse) -> None:
        """Keep an answer; an older Snapshot's is of no more use."""
        if snapshot is not None and (
            self._snapshot is None or snapshot.taken_monotonic > self._snapshot.taken_monotonic
        ):
            self._snapshot = snapshot
            self._responses.clear()
            self._bytes = 0
        if snapshot is not self._snapshot or key in self._responses:
            return
        self._responses[key] = response
        self._bytes += len(response.body)
        while len(self._responses) > MAX_ANSWERS or self._bytes > MAX_BYTES:
            _, forgotten = self._responses.popitem(last=False)
            self._bytes -= len(forgotten.body)


@dataclass(eq=False)
class _Making:
    """An answer under way. `snapshot` is None until its turn has come."""

    snapshot: Snapshot | None = None
    has_begun: bool = False
    task: SharedTask[CachedResponse] = field(init=False)

    def serves(self, snapshot: Snapshot | None) -> bool:
        """Whether it will do for somebody who asks now."""
        return not self.task.abandoned and (not self.has_begun or self.snapshot is snapshot)


class ResponseCache:
    """Stands between authentication and the routes.

    `keys` are of the paths that are answered from one Snapshot each. The answers at the paths of `constant`
    never change. All else passes through.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        shared: SharedState,
        keys: Mapping[str, CacheKey],
        constant: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._shared = shared
        self._turnstile: Turnstile = shared.turnstile
        self._keys = keys
        self._constant = constant
        self._kept = KeptResponses()
        self._kept_for_ever = KeptResponses()
        self._makings: dict[Hashable, _Making] = {}
        self._slots = asyncio.Semaphore(MAX_MAKINGS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = get_route_path(scope) if scope["type"] == "http" and scope["method"] == "GET" else ""
        if (cache_key := self._keys.get(path)) is not None:
            key = cache_key.remembered(scope)
            if key is None:
                await self._turnstile.wait()
                key = await cache_key.of(scope)
            snapshot = await self._shared.sampler.latest()
            if key is None:
                await self._turnstile.wait()  # many may have waited for the same sample
                await self._app({**scope, SNAPSHOT_KEY: snapshot}, receive, send)
                return
            cached = self._kept.get(snapshot, key)
            headers = cache_key.headers
        elif path in self._constant:
            key = (path, scope.get("root_path", ""))
            snapshot, headers = None, frozenset()
            cached = self._kept_for_ever.get(None, key)
        else:
            await self._app(scope, receive, send)
            return
        if cached is None:
            making = self._making(key, snapshot, scope, headers)
            cached = await _unless_hung_up(receive, making.task)
            if cached is None:
                return
            await self._turnstile.wait()  # all who waited are told at the same moment
        elif len(cached.body) > PORTION:
            await self._turnstile.wait()
        await cached.send(send)

    def _making(
        self, key: Hashable, snapshot: Snapshot | None, scope: Scope, headers: frozenset[bytes]
    ) -> _Making:
        """The making of this answer that is under way, or a new one."""
        making = self._makings.get(key)
        if making is None or not making.serves(snapshot):
            making = self._makings[key] = _Making()
            # What the answer is made from, and nothing else of the client who happened to be the first.
            lines: dict[bytes, list[bytes]] = {}
            for name, value in scope["headers"]:
                if name in headers:
                    lines.setdefault(name, []).append(value)
            known = [(name, b", ".join(values)) for name, values in lines.items()]
            question = {**scope, "headers": known}
            question.pop(HEAD_KEY, None)
            making.task = SharedTask(self._make(making, key, question, is_constant=snapshot is None))
        return making

    async def _make(
        self, making: _Making, key: Hashable, scope: Scope, *, is_constant: bool
    ) -> CachedResponse:
        try:
            async with self._slots:
                making.has_begun = True
                if not is_constant:  # it may have waited for a while
                    making.snapshot = scope[SNAPSHOT_KEY] = await self._shared.sampler.latest()
                    if (made := self._kept.get(making.snapshot, key)) is not None:
                        return made  # whoever asked meanwhile has had it made
                self._shared.answers_made[get_route_path(scope)] += 1
                response = CachedResponse()
                await self._app(scope, _nothing_to_receive, response.record)
                if response.status == 200:
                    kept = self._kept_for_ever if is_constant else self._kept
                    kept.put(making.snapshot, key, response)
                return response
        finally:
            if self._makings.get(key) is making:
                del self._makings[key]


async def _unless_hung_up(receive: Receive, task: SharedTask[CachedResponse]) -> CachedResponse | None:
    """What the task makes; None once the client has hung up."""
    hung_up = asyncio.create_task(_hung_up(receive))
    try:
        return await task.result(unless=hung_up)
    finally:
        hung_up.cancel()


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nothing_to_receive() -> NoReturn:
    raise RuntimeError("An answer that is kept cannot depend on the body of a request")
