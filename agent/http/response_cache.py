"""Bytes already made: the same request about the same Snapshot is answered without making the answer again.

A dashboard on every desk asks the same every second. Measured, of a raw ASGI answer's throughput a
typed route under a mount reaches a fifth to a third; what is made once a second may cost what it likes.

An answer is made once per Snapshot, however many ask at the same time: the first starts the making, the
others wait for it. It is given up when every client that waits for it has hung up.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from agent.http.kept_response import PORTION, KeptResponse
from agent.http.repeated import PASSAGE_KEY, Question
from agent.http.route_path import get_route_path
from agent.http.shared_task import SharedTask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Hashable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from agent.http.kept_response import Headers
    from agent.http.repeated import Passage
    from agent.http.shared_state import SharedState
    from agent.http.turnstile import Turnstile
    from agent.readings import Snapshot

# Bounds on memory: a client may invent any number of valid requests.
MAX_ANSWERS = 64
MAX_BYTES = 32 * 1024**2
MAX_MAKINGS = 8  # at once; the others wait in order

SNAPSHOT_KEY = "agent.snapshot"  # where a route finds the Snapshot in its scope
HEAD_KEY = "agent.head"  # there if a GET is really a HEAD: nobody will read the body


class CacheKey(Protocol):
    """Makes the cache key of each request for one path."""

    headers: frozenset[bytes]  # the only ones that the answer may depend on

    def remembered(self, scope: Scope) -> Hashable | None:
        """The key, if it was made before: that costs next to nothing."""

    def of(self, scope: Scope) -> Awaitable[Hashable | None]:
        """The key; None: the request is wrong, and its route says why."""


class KeptResponses:
    """Answers about the newest Snapshot asked for; a newer one drops them all.

    Beyond MAX_ANSWERS or MAX_BYTES, those that nobody has asked for longest are forgotten.
    """

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._responses: OrderedDict[Hashable, KeptResponse] = OrderedDict()

    def get(self, snapshot: Snapshot | None, key: Hashable) -> KeptResponse | None:
        """The answer, if it was made before."""
        response = self._responses.get(key) if snapshot is self._snapshot else None
        if response is not None:
            self._responses.move_to_end(key)
        return response

    def put(self, snapshot: Snapshot | None, key: Hashable, response: KeptResponse) -> None:
        """Keep an answer; an older Snapshot's is of no more use."""
        if snapshot is not None and (
            self._snapshot is None or snapshot.taken_monotonic > self._snapshot.taken_monotonic
        ):
            self._snapshot = snapshot
            self._responses.clear()
        if snapshot is not self._snapshot or key in self._responses:
            return
        self._responses[key] = response
        size = sum(kept.size for kept in self._responses.values())  # grows as they are packed
        while len(self._responses) > MAX_ANSWERS or size > MAX_BYTES:
            _, forgotten = self._responses.popitem(last=False)
            size -= forgotten.size


@dataclass(eq=False)
class _Making:
    """An answer under way. `snapshot` is None until its turn has come."""

    snapshot: Snapshot | None = None
    has_begun: bool = False
    task: SharedTask[KeptResponse] = field(init=False)

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
        passage: Passage | None = scope.pop(PASSAGE_KEY, None)
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
            question, headers = Question(path, key, is_constant=False), cache_key.headers
        elif path in self._constant:
            question = Question(path, (path, scope.get("root_path", "")), is_constant=True)
            snapshot, headers = None, frozenset()
        else:
            await self._app(scope, receive, send)
            return
        if passage is not None and passage.send is send:  # nobody on the way adds to the answer
            passage.memory.clear()
            passage.memory[passage.generation] = question
        if await self._sent(question, snapshot, scope["headers"], send):
            return
        made = await self._made(question.key, snapshot, scope, headers, receive)
        if made is not None:  # else the client has hung up
            await self._turnstile.wait()  # all who waited are told at the same moment
            await self._send(made, question, scope["headers"], send)

    async def answer(self, question: Question, headers: Headers, send: Send) -> bool:
        """Answer a request that asks this, and has these headers, if the answer was made before."""
        snapshot = None if question.is_constant else await self._shared.sampler.latest()
        return await self._sent(question, snapshot, headers, send)

    async def _sent(
        self, question: Question, snapshot: Snapshot | None, headers: Headers, send: Send
    ) -> bool:
        kept = self._kept_for_ever if question.is_constant else self._kept
        cached = kept.get(snapshot, question.key)
        if cached is None:
            return False
        if len(cached.body) > PORTION:
            await self._turnstile.wait()
        await self._send(cached, question, headers, send)
        return True

    async def _send(self, answer: KeptResponse, question: Question, headers: Headers, send: Send) -> None:
        suited = answer.suited(headers) or await answer.packed(self._shared.limiter_of(question.path))
        await suited.send(send)

    async def _made(
        self,
        key: Hashable,
        snapshot: Snapshot | None,
        scope: Scope,
        headers: frozenset[bytes],
        receive: Receive,
    ) -> KeptResponse | None:
        """What is made for all who ask now; None once this client has hung up."""
        hung_up = asyncio.create_task(_hung_up(receive))
        try:
            await asyncio.sleep(0)  # it may have hung up while it waited for its turn
            if hung_up.done():
                return None
            return await self._making(key, snapshot, scope, headers).task.result(unless=hung_up)
        finally:
            hung_up.cancel()

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
            reduced = {**scope, "headers": known}
            reduced.pop(HEAD_KEY, None)
            making.task = SharedTask(self._make(making, key, reduced, is_constant=snapshot is None))
        return making

    async def _make(self, making: _Making, key: Hashable, scope: Scope, *, is_constant: bool) -> KeptResponse:
        try:
            async with self._slots:
                making.has_begun = True
                if not is_constant:  # it may have waited for a while
                    making.snapshot = scope[SNAPSHOT_KEY] = await self._shared.sampler.latest()
                kept = self._kept_for_ever if is_constant else self._kept
                cached = kept.get(making.snapshot, key)
                if cached is not None:  # somebody else was faster
                    return cached
                self._shared.answers_made[get_route_path(scope)] += 1
                response = KeptResponse()
                await self._app(scope, _nothing_to_receive, response.record)
                if response.status == 200:
                    if is_constant:
                        response.set_tag()
                    kept.put(making.snapshot, key, response)
                return response
        finally:
            if self._makings.get(key) is making:
                del self._makings[key]


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nothing_to_receive() -> NoReturn:
    raise RuntimeError("An answer that is kept cannot depend on the body of a request")
